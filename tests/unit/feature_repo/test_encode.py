"""Encoders: codes, ages, scales and hashes; the same alone and among others, before and after JSON."""

from __future__ import annotations

import math
import random
import warnings
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from feature_repo.encode import Encoder, InputKind
from feature_repo.encode.history import FAINTEST
from feature_repo.schema import Feature, Kind

PAD, MISSING, UNKNOWN, FIRST = 0, 1, 2, 3
NOW = datetime(2024, 3, 1, 12)
DAY = timedelta(days=1)
FEATURES = (
    Feature(name="brand", kind=Kind.CATEGORICAL),
    Feature(name="shop", kind=Kind.ID),
    Feature(name="tags", kind=Kind.MULTI_VALUED, length=3),
    Feature(name="price", kind=Kind.NUMERIC),
    Feature(name="released", kind=Kind.TIMESTAMP),
    Feature(name="title", kind=Kind.TEXT, length=4),
    Feature(name="face", kind=Kind.VECTOR, dim=2),
    Feature(name="history", kind=Kind.HISTORY, length=3),
    Feature(name="colour", kind=Kind.CATEGORICAL, tower=False),
    Feature(name="sku", kind=Kind.CATEGORICAL, hashed=50),
    Feature(name="labels", kind=Kind.MULTI_VALUED, length=3, hashed=20),
    Feature(name="stock", kind=Kind.NUMERIC, scale="linear"),
    Feature(name="opened", kind=Kind.TIMESTAMP, cycles=("year", "day")),
    Feature(name="blurb", kind=Kind.TEXT, length=12, ngrams=(3, 4)),
    Feature(name="now", kind=Kind.MOMENT, cycles=("day", "week", "year")),
)
TYPES = {
    "item_id": pl.String(),
    "event_timestamp": pl.Datetime("us"),
    "brand": pl.String(),
    "shop": pl.String(),
    "tags": pl.List(pl.String()),
    "price": pl.Float64(),
    "released": pl.Int64(),
    "title": pl.String(),
    "face": pl.List(pl.Float32()),
    "history_items": pl.List(pl.String()),
    "history_times": pl.List(pl.Int64()),
    "history_decayed": pl.List(pl.Int64()),
    "history_counts": pl.List(pl.Int64()),
    "sku": pl.String(),
    "labels": pl.List(pl.String()),
    "stock": pl.Float64(),
    "opened": pl.Int64(),
    "blurb": pl.String(),
}
IDS, ITEMS = ("i1", "i2", "i3"), ("i1", "i2", "i3", "i4")


def microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)


def frame_of(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{"event_timestamp": NOW} | row for row in rows], schema=TYPES)


def random_frame(seed: int, rows: int = 60) -> pl.DataFrame:
    """Every kind of value that a store can return, nulls and extremes among them."""
    dice = random.Random(seed)

    def maybe(value: Any) -> Any:
        return None if dice.random() < 0.2 else value

    def row() -> dict[str, Any]:
        bought = dice.sample(["i1", "i2", "i4", "i9", "i8"], dice.randrange(6))
        ages = sorted(dice.choices([-1, 0, 1, 40, 900], k=len(bought)))
        there = dice.random() < 0.8
        return {
            "item_id": dice.choice(["i1", "i2", "i7", None]),
            "event_timestamp": NOW - dice.randrange(20) * DAY / 4,
            "brand": maybe(dice.choice("abcde")),
            "shop": maybe(dice.choice(["s1", "s2", ""])),
            "tags": maybe([maybe(dice.choice("xyzw")) for _ in range(dice.randrange(6))]),
            "price": maybe(dice.choice([0.0, -3.5, 2.0, 1e-9, 1e300, -1e300, math.inf, math.nan])),
            "released": maybe(microseconds(NOW - dice.choice([-500, 0, 3, 9_000]) * DAY)),
            "title": maybe(dice.choice(["", "Red tea", "TEA, green!", "a b c d e f", "Æther 東京 7"])),
            "face": maybe([dice.gauss(0, 1), 0.0]),
            "history_items": bought if there else None,
            "history_times": [microseconds(NOW - age * DAY) for age in ages] if there else None,
            "history_counts": [dice.randrange(1, 9) for _ in bought] if there else None,
            "history_decayed": [microseconds(NOW - (age - 9) * DAY) for age in ages] if there else None,
            "sku": maybe(dice.choice(["", "a-1", "é", "zz"])),
            "labels": maybe([maybe(dice.choice("xyzw")) for _ in range(dice.randrange(6))]),
            "stock": maybe(dice.choice([0.0, -3.5, 7.0, 1e-9, 1e300, -1e300, math.inf, math.nan])),
            "opened": maybe(dice.choice([microseconds(NOW - 9 * DAY), 0, -1, -(10**16), 2**63 - 1, -(2**63)])),
            "blurb": maybe(dice.choice(["", "!", "Steamed tea", "a b", "東京 tearoom"])),
        }

    return frame_of(*(row() for _ in range(rows)))


def fitted(frame: pl.DataFrame | None = None, features: tuple[Feature, ...] = FEATURES) -> Encoder:
    return Encoder.fit("item_id", features, random_frame(0) if frame is None else frame, ids=IDS, items=ITEMS)


def only(kind: Kind) -> tuple[Feature, ...]:
    return tuple(feature for feature in FEATURES if feature.kind is kind and feature.tower)


def assert_equal(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, err_msg=name)


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


class TestAges:
    def test_a_timestamp_is_encoded_as_its_age_at_the_moment(self) -> None:
        released = [microseconds(NOW - days * DAY) for days in (1, 10, 100)]
        encoder = fitted(frame_of(*({"released": time} for time in released)), only(Kind.TIMESTAMP))
        rows = frame_of(*({"released": released[0], "event_timestamp": NOW + days * DAY} for days in (0, 9, 99)))
        logs = np.log1p([1, 10, 100])
        found = encoder.encode(rows)
        np.testing.assert_allclose(found["released"][:, 0], (logs - logs.mean()) / logs.std(), rtol=1e-6)
        assert len(set(found["released_bucket"].tolist())) == 3

    def test_histories_age_with_the_moment_and_keep_their_items(self) -> None:
        history = {
            "history_items": ["i2", "i9", "i1", "i4"],
            "history_times": [microseconds(NOW - days * DAY) for days in (0, 2, 2.5, 9)],
            "history_counts": [1, 5, 2, 1],
            "history_decayed": [microseconds(NOW - days * DAY) for days in (0, -30, 60, 9)],
        }
        encoder = fitted(features=only(Kind.HISTORY))
        found = encoder.encode(frame_of(history, history | {"event_timestamp": NOW + 3 * DAY}))
        assert found["history_items"].tolist() == [[FIRST + 1, UNKNOWN, FIRST]] * 2
        np.testing.assert_allclose(np.expm1(found["history_ages"]), [[0, 2, 2.5], [3, 5, 5.5]], atol=1e-5)
        np.testing.assert_allclose(np.expm1(found["history_counts"]), [[1, 5, 2]] * 2, rtol=1e-6)
        decayed = np.array([[1, 2, 0.25], [1, 2, 0.25]]) * [[1], [2**-0.1]]
        np.testing.assert_allclose(np.exp(found["history_decayed"]), decayed, rtol=1e-5)

    def test_a_half_life_is_that_of_the_feature_and_what_is_forgotten_weighs_no_less_than_nothing(self) -> None:
        week = [replace(feature, half_life_days=7.0) for feature in only(Kind.HISTORY)]
        long_ago = {
            "history_items": ["i2", "i1"],
            "history_times": [microseconds(NOW - days * DAY) for days in (7, 9_000)],
            "history_counts": [1, 1],
            "history_decayed": [microseconds(NOW - days * DAY) for days in (7, 9_000)],
        }
        found = fitted(features=week).encode(frame_of(long_ago))
        np.testing.assert_allclose(found["history_decayed"][0, :2], [np.log(0.5), FAINTEST], rtol=1e-6)

    def test_short_histories_end_in_zeros(self) -> None:
        one = {f"history_{part}": [microseconds(NOW - DAY)] for part in ("times", "decayed")}
        one |= {"history_items": ["i1"], "history_counts": [1]}
        none: dict[str, list[int]] = {f"history_{part}": [] for part in ("items", "times", "counts", "decayed")}
        found = fitted(features=only(Kind.HISTORY)).encode(frame_of(one, none, {}))
        for name in ("history_items", "history_ages", "history_counts", "history_decayed"):
            assert found[name][0, 0] != 0
            assert not found[name][0, 1:].any()
            assert not found[name][1:].any()

    @pytest.mark.parametrize("unit", ["ms", "ns"])
    def test_the_unit_of_the_moment_does_not_matter(self, unit: Any) -> None:
        frame = random_frame(2)
        other = frame.with_columns(pl.col("event_timestamp").cast(pl.Datetime(unit)))
        assert_equal(fitted().encode(other), fitted().encode(frame))

    def test_rows_without_a_moment_are_refused(self) -> None:
        with pytest.raises(ValueError, match="event_timestamp is null in 1 rows"):
            fitted().encode(frame_of({}, {"event_timestamp": None}))


def siphash(key: bytes, data: bytes) -> int:
    """SipHash-2-4 (Aumasson and Bernstein, 2012), written from the paper."""
    mask = 2**64 - 1
    k0, k1 = (int.from_bytes(key[start : start + 8], "little") for start in (0, 8))
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def rotate(value: int, bits: int) -> int:
        return ((value << bits) | (value >> (64 - bits))) & mask

    def rounds(number: int) -> None:
        for _ in range(number):
            for a, b, bits in ((0, 1, 13), (2, 3, 16)):
                v[a] = (v[a] + v[b]) & mask
                v[b] = rotate(v[b], bits) ^ v[a]
            v[0] = rotate(v[0], 32)
            for a, b, bits in ((2, 1, 17), (0, 3, 21)):
                v[a] = (v[a] + v[b]) & mask
                v[b] = rotate(v[b], bits) ^ v[a]
            v[2] = rotate(v[2], 32)

    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) % 256])
    for start in range(0, len(padded), 8):
        word = int.from_bytes(padded[start : start + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def code_of(token: str) -> int:
    """Hash, then the finaliser of SplitMix64 (Steele, Lea and Flood, 2014), which pandas applies too."""
    mixed, mask = siphash(b"gatehouse0123456", token.encode()), 2**64 - 1
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & mask
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & mask
    return FIRST + (mixed ^ mixed >> 31) % 4096


class TestText:
    ENCODER = fitted(features=only(Kind.TEXT))

    def codes(self, *titles: str | None) -> list[list[int]]:
        found: list[list[int]] = self.ENCODER.encode(frame_of(*({"title": title} for title in titles)))[
            "title"
        ].tolist()
        return found

    def test_the_reference_hash_is_right(self) -> None:
        assert siphash(bytes(range(16)), bytes(range(15))) == 0xA129CA6149BE45E5  # the paper's own example

    @pytest.mark.parametrize("token", ["tea", "7", "東京", "æther", "nan", "a" * 100])
    def test_a_token_has_the_same_code_everywhere(self, token: str) -> None:
        assert self.codes(token)[0] == [code_of(token), PAD, PAD, PAD]

    def test_the_code_of_tea_is_fixed_for_ever(self) -> None:
        """Released towers were trained with these codes."""
        assert self.codes("tea")[0][0] == 2878

    def test_case_and_punctuation_do_not_matter_but_order_is_kept(self) -> None:
        red, green = self.codes("red TEA", "Red -- tea!")
        assert red == green
        assert self.codes("tea red")[0][:2] == red[1::-1]

    def test_long_texts_are_cut_and_empty_ones_are_pad(self) -> None:
        long, short, *nothing = self.codes("a b c d e f", "a b c d", "", "?!", None)
        assert long == short
        assert nothing == [[PAD] * 4] * 3


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
    def test_what_is_no_vector_is_named(self, face: list[float], problem: str) -> None:
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

    def test_two_features_with_one_encoded_name_are_refused(self) -> None:
        price = only(Kind.NUMERIC)[0]
        bucket = replace(only(Kind.CATEGORICAL)[0], name="price_bucket")
        frame = random_frame(0).with_columns(price_bucket=pl.lit("high"))
        with pytest.raises(ValueError, match="price_bucket"):
            Encoder.fit("item_id", (price, bucket), frame, ids=IDS)
