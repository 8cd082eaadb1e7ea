"""Encoding options of a feature: hashing, rare values, scales."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from feature_repo.encode import Encoder
from feature_repo.feature import Feature, Kind
from tests.unit.feature_repo.encode.encode_world import FIRST, MISSING, PAD, UNKNOWN, code_of, fitted, frame_of

TEN = [{"item_id": f"i{n}", "brand": "ab"[n % 2], "tags": ["x", "xy"[n % 2]]} for n in range(10)]


def encoded(feature: Feature, *rows: dict[str, Any], fit: pl.DataFrame | None = None) -> np.ndarray:
    return fitted(frame_of(*TEN) if fit is None else fit, (feature,)).encode(frame_of(*rows))[feature.name]


class TestHashed:
    BRAND = Feature(name="brand", kind=Kind.ID, hashed=4_096)

    def test_two_codes_are_fixed_for_ever(self) -> None:
        """Released towers were trained with these codes."""
        codes = encoded(Feature(name="brand", kind=Kind.ID, hashed=1_000), {"brand": "tea"}, {"brand": "東京"})
        assert codes.tolist() == [614, 95]

    @pytest.mark.parametrize("value", ["tea", "", "東京", "Ærø 7"])
    def test_the_code_is_the_hash_of_the_value(self, value: str) -> None:
        assert encoded(self.BRAND, {"brand": value}).tolist() == [code_of(value)]

    def test_training_rows_do_not_matter_and_nothing_is_unknown(self) -> None:
        asked = [{"brand": f"b{n}"} for n in range(500)] + [{"brand": None}]
        codes = encoded(self.BRAND, *asked)
        assert codes.tolist() == encoded(self.BRAND, *asked, fit=frame_of({"brand": "other"})).tolist()
        assert (codes[:-1] >= FIRST).all() and codes[-1] == MISSING

    def test_every_bucket_is_used_about_equally(self) -> None:
        feature = Feature(name="brand", kind=Kind.CATEGORICAL, hashed=10)
        codes = encoded(feature, *({"brand": f"b{n}"} for n in range(5_000)))
        assert np.bincount(codes, minlength=13)[FIRST:].min() > 400

    def test_lists_are_hashed_by_element(self) -> None:
        feature = Feature(name="tags", kind=Kind.MULTI_VALUED, length=3, hashed=4_096)
        codes = encoded(feature, {"tags": ["b", None]}, {"tags": None})
        assert codes.tolist() == [[code_of("b"), MISSING, PAD], [PAD] * 3]


class TestRareValues:
    def test_a_value_that_few_items_have_shares_the_default_of_unseen_ones(self) -> None:
        rows = [*TEN, {"item_id": "i8", "brand": "rare"}, {"item_id": "i9", "brand": "rare"}]
        feature = Feature(name="brand", kind=Kind.CATEGORICAL, min_count=3)
        asked = ({"brand": value} for value in ("a", "b", "rare", "unseen"))
        assert encoded(feature, *asked, fit=frame_of(*rows)).tolist() == [FIRST, FIRST + 1, UNKNOWN, UNKNOWN]

    def test_rows_of_one_item_count_once(self) -> None:
        rows = [*TEN, *({"item_id": "i9", "brand": "often", "tags": ["often"] * 9} for _ in range(9))]
        for name, kind in (("brand", Kind.CATEGORICAL), ("tags", Kind.MULTI_VALUED)):
            feature = Feature(name=name, kind=kind, min_count=2, length=2)
            vocabularies = Encoder.fit("item_id", (feature,), frame_of(*rows), ids=()).vocabularies
            assert vocabularies[name] == (("a", "b") if name == "brand" else ("x", "y"))


class TestLinearScale:
    def test_the_number_itself_is_standardised(self) -> None:
        values = np.array([0.0, 10.0, -40.0, 500.0])
        rows = [{"price": value} for value in values]
        found = encoded(Feature(name="price", kind=Kind.NUMERIC, scale="linear"), *rows, fit=frame_of(*rows))
        np.testing.assert_allclose(found[:, 0], (values - values.mean()) / values.std(), rtol=1e-6)

    def test_the_scale_moves_no_bucket(self) -> None:
        rows = [{"price": value} for value in np.random.default_rng(0).normal(size=1_600)]
        one, other = (
            fitted(frame_of(*rows), (Feature(name="price", kind=Kind.NUMERIC, scale=scale),)).encode(frame_of(*rows))
            for scale in ("log", "linear")
        )
        assert (one["price_bucket"] == other["price_bucket"]).mean() > 0.98  # edges lie between, so a few may differ
        assert not np.allclose(one["price"], other["price"])

    def test_huge_numbers_stay_finite(self) -> None:
        rows = [{"price": value} for value in (1.5e308, -1.5e308, 3.0, None)]
        found = encoded(Feature(name="price", kind=Kind.NUMERIC, scale="linear"), *rows, fit=frame_of(*rows))
        assert np.isfinite(found).all() and found[0, 0] > 1 > -1 > found[1, 0]
