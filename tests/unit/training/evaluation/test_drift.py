"""The stability index, beside a plain loop and drawn samples."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from training.evaluation.drift import CATEGORIES, MISSING, OTHERS, noise, profile, stability_index

RNG = np.random.default_rng(0)


def index(before: pl.Series, after: pl.Series) -> float:
    reference = profile(before)
    return stability_index(reference, profile(after, reference))


def test_the_index_is_that_of_a_plain_loop() -> None:
    before, after = pl.Series([1.0, 2.0, 3.0, 4.0, None] * 40), pl.Series([1.0, 1.0, 3.0, 9.0, None] * 20)
    reference = profile(before)
    current = profile(after, reference)
    edges = [-math.inf, *(reference.edges or ()), math.inf]
    rows = []
    for low, high in [*zip(edges, edges[1:], strict=False), (None, None)]:
        counts = [
            sum((value is None) if low is None else value is not None and low < value <= high for value in each)
            for each in (before.to_list(), after.to_list())
        ]
        rows += [counts] if any(counts) else []
    shares = [((n + 0.5) / (200 + len(rows) / 2), (m + 0.5) / (100 + len(rows) / 2)) for n, m in rows]
    total = sum((p - q) * math.log(p / q) for p, q in shares)
    assert stability_index(reference, current) == pytest.approx(total)


@pytest.mark.parametrize("size", [300, 3_000])
def test_samples_of_one_distribution_differ_by_chance_alone(size: int) -> None:
    found = []
    for _ in range(200):
        before, after = (pl.Series(RNG.exponential(size=size)) for _ in range(2))
        found.append(index(before, after))
    reference = profile(before)
    expected = noise(reference, profile(after, reference))
    assert np.mean(found) == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (RNG.normal(size=5_000), 100 * RNG.normal(size=5_000)),  # euros became cents
        (RNG.normal(size=5_000), RNG.normal(size=5_000) + 1),
        ([1.0] * 500 + [2.0] * 500, [1.0] * 500 + [None] * 500),
        ([1.0] * 1_000, [None] * 1_000),
        ([None] * 1_000, [1.0] * 1_000),
        (["a"] * 500 + ["b"] * 500, ["a"] * 900 + ["b"] * 100),
        (["a"] * 1_000, ["new"] * 1_000),
        ([["x"]] * 1_000, [["x", "y"]] * 1_000),
    ],
)
def test_what_moved_is_seen_both_ways(before: object, after: object) -> None:
    first, second = (pl.Series(each, strict=False) for each in (before, after))  # type: ignore[call-overload]
    if first.dtype == pl.Null or second.dtype == pl.Null:
        first, second = first.cast(pl.Float64), second.cast(pl.Float64)
    assert index(first, second) > 0.25
    assert index(second, first) > 0.25
    assert index(first, first) == index(second, second) == 0.0


def test_categories_beyond_the_bins_share_one() -> None:
    values = pl.Series([f"c{n:03}" for n in range(CATEGORIES + 20)] * 2 + ["c119"] * 5 + [None])
    found = profile(values)
    assert len(found.counts) == CATEGORIES + 2
    assert (found.counts["c119"], found.counts[OTHERS], found.counts[MISSING]) == (7, 40, 1)
    assert sum(found.counts.values()) == found.rows == len(values)


def test_a_feature_of_another_type_has_moved() -> None:
    numbers, texts = pl.Series([1.0, 2.0] * 500), pl.Series(["1", "2"] * 500)
    assert index(numbers, texts) > 0.25
    assert index(texts, numbers) > 0.25
