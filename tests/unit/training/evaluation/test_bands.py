"""Numbers as slices: quartiles, ties, constant columns, and values that are missing."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from tests.unit.training.evaluation.sizes import ITEMS
from training.evaluation.bands import BANDS, banded
from training.evaluation.holdout import Holdout
from training.evaluation.slices import MISSING, item_partition, user_partition


@pytest.mark.parametrize("seed", range(5))
def test_distinct_numbers_have_four_bands_of_a_quarter_each(seed: int) -> None:
    values = np.random.default_rng(seed).permutation(np.arange(400.0))
    assert sorted(banded(pl.Series(values)).value_counts()["count"]) == [100] * BANDS


@pytest.mark.parametrize("seed", range(20))
def test_every_number_lies_in_its_band_and_equal_ones_in_one(seed: int) -> None:
    """Drawn columns with ties, each band read back from its name."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-3, rng.integers(-2, 40), 200).astype(float)
    bands = banded(pl.Series(values))
    for value, band in zip(values, bands, strict=True):
        low, high = map(float, band[1:-1].split(", "))
        assert low <= value and (value < high or (band.endswith("]") and value == high))
    assert 1 <= bands.n_unique() <= BANDS


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([2.0, 4.0, 7.99, 9.0], ["[2, 4)", "[4, 7.99)", "[7.99, 9)", "[9, 9]"]),
        ([5.0] * 9, ["[5, 5]"]),
        ([0.0] * 90 + [1.0, 2.0, 3.0], ["[0, 1)", "[1, 3]"]),  # most items are free
        ([1.0] + [5.0] * 90, ["[1, 5)", "[5, 5]"]),
        ([1e8 + n for n in range(3)], ["[100000000, 100000001)", "[100000001, 100000002)", "[100000002, 100000002]"]),
        ([], []),
        ([None, math.nan, math.inf], []),
    ],
)  # fmt: skip
def test_bands_are_named_by_values_that_occur(values: list[float | None], names: list[str]) -> None:
    bands = banded(pl.Series(values, dtype=pl.Float64))
    assert bands.dtype.categories.to_list() == names  # type: ignore[attr-defined]
    assert bands.is_null().to_list() == [value is None or not math.isfinite(value) for value in values]


def test_bands_are_slices_in_ascending_order_and_who_has_none_is_one(holdout: Holdout) -> None:
    ages = pl.Series([None if n % 5 == 0 else 9.0 + n % 3 for n in range(60)])
    partition, count = user_partition("users.age", banded(ages))
    assert partition.names == ("users.age=[9, 10)", "users.age=[10, 11)", "users.age=[11, 11]", f"users.age={MISSING}")
    assert count == 4
    assert [ages[n] for n in range(60) if partition.codes[n] == 0] == [9.0] * 16
    prices = pl.Series(np.arange(ITEMS), dtype=pl.Int64)
    partition, count = item_partition("items.price", banded(prices), holdout.relevant)
    assert count == BANDS and (np.diff(partition.codes) >= 0).all()
