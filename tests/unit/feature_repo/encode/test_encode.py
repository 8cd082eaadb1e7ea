"""Encoders: codes, scales and vectors, alone and in frames, around JSON."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from feature_repo.encode import Encoder, InputKind
from feature_repo.schema import Kind
from tests.unit.feature_repo.encode.encode_world import (
    FIRST,
    IDS,
    ITEMS,
    MISSING,
    PAD,
    TYPES,
    UNKNOWN,
    assert_equal,
    fitted,
    frame_of,
    only,
    random_frame,
)


class TestCodes:
    FIT = frame_of({"brand": "b"}, {"brand": "a"}, {"brand": None}, {"brand": "b"})

    def test_every_value_has_its_code_and_others_are_unknown(self) -> None:
        encoder = fitted(self.FIT, only(Kind.CATEGORICAL))
        rows = frame_of({"brand": "a"}, {"brand": "b"}, {"brand": "c"}, {"brand": None}, {"brand": ""})
        codes = encoder.encode(rows)["brand"].tolist()
        assert codes == [FIRST, FIRST + 1, UNKNOWN, MISSING, UNKNOWN]

    def test_the_key_has_the_vocabulary_it_was_given(self) -> None:
        encoder = Encoder.fit("item_id", (), frame_of({"item_id": "i9"}), ids=["i2", "i1"])
        codes = encoder.encode(frame_of(*({"item_id": id_} for id_ in ("i1", "i2", "i9", None))))["item_id"]
        assert codes.tolist() == [FIRST + 1, FIRST, UNKNOWN, MISSING]

    def test_an_empty_vocabulary_knows_nothing(self) -> None:
        encoder = Encoder.fit("item_id", (), self.FIT, ids=())
        assert encoder.encode(frame_of({"item_id": "i1"}, {"item_id": None}))["item_id"].tolist() == [UNKNOWN, MISSING]

    def test_lists_are_cut_and_padded(self) -> None:
        encoder = fitted(frame_of({"tags": ["x", "y"]}, {"tags": []}, {"tags": [None]}), only(Kind.MULTI_VALUED))
        rows = [["y", "x", "y", "x"], ["q", None], [], None]
        codes = encoder.encode(frame_of(*({"tags": tags} for tags in rows)))["tags"].tolist()
        assert codes == [[FIRST + 1, FIRST, FIRST + 1], [UNKNOWN, MISSING, PAD], [PAD] * 3, [PAD] * 3]

    def test_a_value_that_is_there_is_never_pad(self) -> None:
        frame = random_frame(1)
        arrays = fitted().encode(frame)
        for name in ("item_id", "brand", "shop", "price_bucket", "released_bucket"):
            assert (arrays[name] > PAD).all()
        for name, width in (("tags", 3), ("history_items", 3)):
            lengths = frame[name].list.len().fill_null(0).clip(0, width).to_numpy()
            assert ((arrays[name] > PAD).sum(axis=1) == lengths).all()

    def test_a_value_twice_in_a_vocabulary_is_refused(self) -> None:
        with pytest.raises(ValueError, match="'item_id'"):
            Encoder.fit("item_id", (), self.FIT, ids=["i1", "i1"])


class TestNumbers:
    def test_the_signed_log_is_standardised(self) -> None:
        values = [0.0, 1.0, -4.0, 50.0]
        frame = frame_of(*({"price": value} for value in [*values, None]))
        logs = np.array([math.copysign(math.log(1 + abs(value)), value) for value in values])
        price = fitted(frame, only(Kind.NUMERIC)).encode(frame)["price"]
        np.testing.assert_allclose(price[:4, 0], (logs - logs.mean()) / logs.std(), rtol=1e-6)
        assert price[:, 1].tolist() == [0, 0, 0, 0, 1]
        assert price[4, 0] == 0

    def test_buckets_hold_equal_shares_in_order(self) -> None:
        values = np.random.default_rng(0).permutation(1_600) ** 2.0
        frame = frame_of(*({"price": value} for value in values))
        buckets = fitted(frame, only(Kind.NUMERIC)).encode(frame)["price_bucket"]
        assert np.unique(buckets, return_counts=True)[1].tolist() == [100] * 16
        assert (np.diff(buckets[np.argsort(values)]) >= 0).all()

    @pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e12])
    def test_a_constant_column_says_nothing(self, value: float) -> None:
        frame = frame_of(*({"price": value} for _ in range(1_000)))
        encoder = fitted(frame, only(Kind.NUMERIC))
        price = encoder.encode(frame)["price"]
        np.testing.assert_allclose(price[:, 0], 0, atol=1e-6)
        nearby = encoder.encode(frame_of({"price": value + 1e-9}))["price"]
        np.testing.assert_allclose(nearby[:, 0], 0, atol=1e-6)

    def test_a_column_without_values_says_nothing(self) -> None:
        frame = frame_of({"price": None}, {"price": math.nan})
        arrays = fitted(frame, only(Kind.NUMERIC)).encode(frame_of({"price": None}, {"price": 3.0}))
        assert arrays["price"][0].tolist() == [0, 1]
        assert np.isfinite(arrays["price"]).all()
        assert arrays["price_bucket"].tolist() == [MISSING, FIRST]

    def test_extremes_are_clipped(self) -> None:
        encoder = fitted(frame_of({"price": 1.0}, {"price": 2.0}), only(Kind.NUMERIC))
        found = encoder.encode(frame_of({"price": math.inf}, {"price": -math.inf}, {"price": 1e300}))["price"]
        assert found[:, 0].tolist() == [5, -5, 5]


class TestVectors:
    ENCODER = fitted(features=only(Kind.VECTOR))

    def test_vectors_stay_as_they_are_and_missing_ones_are_zero(self) -> None:
        found = self.ENCODER.encode(frame_of({"face": [0.5, -2.0]}, {"face": None}))["face"]
        assert found.tolist() == [[0.5, -2.0], [0.0, 0.0]]

    @pytest.mark.parametrize(
        ("face", "problem"),
        [
            ([1.0], r"lengths \[1, 2\], wanted 2"),
            ([1.0, 2.0, 3.0], "3"),
            ([], "0"),
            ([math.nan, 1.0], "finite"),
            ([1.0, None], "finite"),
            ([math.inf, 1.0], "1 rows"),
        ],
        ids=str,
    )
    def test_a_value_that_is_no_vector_is_named(self, face: list[float], problem: str) -> None:
        with pytest.raises(ValueError, match=f"'face'.*{problem}"):
            self.ENCODER.encode(frame_of({"face": [1.0, 2.0]}, {"face": face}))


class TestEncoder:
    @pytest.mark.parametrize("seed", range(3))
    def test_a_row_is_encoded_alone_as_among_others(self, seed: int) -> None:
        encoder, frame = fitted(), random_frame(seed)
        together = encoder.encode(frame)
        for row in range(frame.height):
            assert_equal(encoder.encode(frame[row : row + 1]), {n: a[row : row + 1] for n, a in together.items()})

    @pytest.mark.parametrize("seed", range(3))
    def test_json_keeps_the_encoding(self, seed: int) -> None:
        encoder, frame = fitted(random_frame(seed)), random_frame(seed + 10)
        encoder.encode(frame)
        again = Encoder.from_json(encoder.to_json())
        assert again == encoder
        assert again.inputs == encoder.inputs
        assert_equal(again.encode(frame), encoder.encode(frame))

    @pytest.mark.parametrize("seed", range(3))
    def test_nothing_is_nan_and_codes_lie_in_their_tables(self, seed: int) -> None:
        encoder = fitted(random_frame(seed, rows=20))
        sizes = {each.name: each.size for each in encoder.inputs} | {"history_items": len(ITEMS) + FIRST}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            arrays = encoder.encode(random_frame(seed + 10, rows=200))
        for name, array in arrays.items():
            assert np.isfinite(array).all(), name
            if array.dtype == np.int32:
                assert array.min() >= 0
                assert array.max() < sizes[name], name

    @pytest.mark.parametrize("rows", [0, 1, 7])
    def test_inputs_describe_the_arrays(self, rows: int) -> None:
        encoder = fitted()
        arrays = encoder.encode(random_frame(3, rows))
        names = []
        for each in encoder.inputs:
            parts = ("_items", "_ages", "_counts", "_decayed") if each.kind is InputKind.HISTORY else ("",)
            for part in parts:
                names.append(each.name + part)
                flat = each.kind in (InputKind.CODE, InputKind.BUCKET)
                numbers = each.kind in (InputKind.NUMBER, InputKind.VECTOR) or part in ("_ages", "_counts", "_decayed")
                assert arrays[names[-1]].shape == ((rows,) if flat else (rows, each.width))
                assert arrays[names[-1]].dtype == (np.float32 if numbers else np.int32)
        assert list(arrays) == names
        assert names[0] == "item_id"

    def test_torch_takes_the_arrays_without_a_copy_or_a_warning(self) -> None:
        for name, array in fitted().encode(random_frame(4)).items():
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                tensor = torch.from_numpy(array)
            assert array.flags.c_contiguous, name
            tensor.zero_()
            assert not array.any(), name

    def test_encoding_twice_gives_arrays_of_their_own(self) -> None:
        encoder, frame = fitted(), random_frame(5)
        wanted = {name: array.copy() for name, array in encoder.encode(frame).items()}
        for array in encoder.encode(frame).values():
            array.fill(0)
        assert_equal(encoder.encode(frame), wanted)

    @pytest.mark.parametrize("column", [name for name in TYPES if name != "released"])
    def test_a_missing_column_is_named(self, column: str) -> None:
        with pytest.raises(ValueError, match=rf"\['{column}'\] are missing"):
            fitted().encode(random_frame(0).drop(column))

    def test_features_that_no_tower_reads_are_not_needed(self) -> None:
        assert "colour" not in random_frame(0).columns
        assert "colour" not in fitted().encode(random_frame(0))

    def test_features_named_as_arrays_of_others_are_features_of_their_own(self) -> None:
        price, opened = only(Kind.NUMERIC)[0], only(Kind.TIMESTAMP)[1]
        others = [
            replace(only(Kind.CATEGORICAL)[0], name=name)
            for name in ("price_bucket", "price_bucket_", "opened_bucket", "opened_cycles")
        ]
        frame = random_frame(0).with_columns(pl.col("brand").alias(each.name) for each in others)
        alone = Encoder.fit("item_id", (price, opened), frame, ids=IDS).encode(frame)
        encoder = Encoder.fit("item_id", (price, *others, opened), frame, ids=IDS)
        arrays = encoder.encode(frame)
        assert [each.name for each in encoder.inputs] == [
            "item_id", "price", "price_bucket__", *(each.name for each in others), "opened", "opened_bucket_",
            "opened_cycles_",
        ]  # fmt: skip
        for name, other in (("price_bucket__", "price_bucket"), ("opened_cycles_", "opened_cycles")):
            np.testing.assert_array_equal(arrays[name], alone[other])
        brand = fitted(features=only(Kind.CATEGORICAL)[:1], frame=frame).encode(frame)["brand"]
        assert all(np.array_equal(arrays[each.name], brand) for each in others)
        assert {each.name: each.feature for each in encoder.inputs if each.feature} == {
            "price_bucket__": "price", "opened_bucket_": "opened", "opened_cycles_": "opened"
        }  # fmt: skip
