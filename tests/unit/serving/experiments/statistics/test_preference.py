"""Preference of users for one of two interleaved variants."""

from __future__ import annotations

import numpy as np
import pytest

from serving.experiments.statistics.preference import preference


def test_users_count_once_and_ties_decide_nothing() -> None:
    found = preference(np.array([100, 1, 1, -1, 0, 0]))
    assert (found.for_second, found.for_first, found.ties) == (3, 1, 2)
    assert found.share.value == pytest.approx(4 / 6)
    assert found.p == pytest.approx(2 * (1 + 4) / 2**4)  # at least 3 of 4 heads, both sides
    assert preference(np.zeros(5)).p == 1.0


def test_equal_variants_are_told_apart_at_most_at_the_stated_rate() -> None:
    """Few users click most: a test of the clicks would be wrong far more often."""
    rng = np.random.default_rng(0)
    clicks = rng.geometric(0.05, (400, 300))
    leads = 2 * rng.binomial(clicks, rng.beta(0.5, 0.5, (400, 300))) - clicks
    assert np.mean([preference(lead).p < 0.05 for lead in leads]) < 0.05 + 3.1 * np.sqrt(0.05 * 0.95 / 400)


def test_a_planted_preference_is_found() -> None:
    rng = np.random.default_rng(1)
    found = preference(rng.choice([-1, 0, 1], p=[0.2, 0.5, 0.3], size=3_000))
    low, high = found.share.interval()
    assert found.p < 1e-4 and low <= 0.55 <= high and low > 0.5
