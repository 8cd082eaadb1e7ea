"""The numbers of the guards, against plain loops and cases with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from orchestration.refit_guards import distance, effective_dims, overlap

RNG = np.random.default_rng(0)


def test_overlap_is_the_mean_share_that_is_kept() -> None:
    lists = np.stack([RNG.permutation(30)[:20] for _ in range(50)])
    others = np.stack([RNG.permutation(30)[:20] for _ in range(50)])
    wanted = np.mean([len({*one} & {*other}) / 20 for one, other in zip(lists, others, strict=True)])
    assert overlap(lists, others) == pytest.approx(wanted)
    assert overlap(lists, lists[:, ::-1]) == 1


def test_short_lists_count_by_what_they_hold() -> None:
    short = np.array([[4, 7, -1], [-1, -1, -1]])
    assert overlap(short, np.array([[7, 2, -1], [1, 2, 3]])) == 0.5


def test_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    one, other = np.sort(RNG.normal(size=500)), np.sort(RNG.normal(0.4, 1, size=300))
    assert distance(one, other) == pytest.approx(ks_2samp(one, other).statistic)
    assert distance(one, one) == 0
    assert distance(one, one + 100) == 1


def test_effective_dims_are_those_that_are_used() -> None:
    sphere = RNG.normal(size=(20_000, 8))
    assert effective_dims(sphere) == pytest.approx(8, abs=0.05)
    assert effective_dims(np.pad(sphere[:, :3], ((0, 0), (0, 5)))) == pytest.approx(3, abs=0.05)
    assert effective_dims(np.tile(sphere[:1], (100, 1))) == pytest.approx(1)
    assert effective_dims(np.zeros((3, 8))) == 0
    assert np.isnan(effective_dims(np.full((3, 8), np.nan)))
