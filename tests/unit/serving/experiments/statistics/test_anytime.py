"""Anytime-valid intervals: at most one experiment in twenty errs at any of its looks."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import ville

from serving.experiments.statistics.anytime import anytime_interval
from serving.experiments.statistics.estimate import Estimate, Interval, difference
from serving.experiments.statistics.means import mean

DAYS, DAILY = 28, 120
"""Length of an experiment, and new users of each variant a day."""
EXPERIMENTS = 400


@cache
def looks(effect: float, seed: int) -> list[list[Estimate]]:
    """Estimates of each day of each experiment.

    Most users buy nothing, some much: the values are far from normal.
    """
    rng, found = np.random.default_rng(seed), []
    for _ in range(EXPERIMENTS):
        plain, other = rng.binomial(1, 0.3, (2, DAYS * DAILY)) * rng.lognormal(1.0, 0.7, (2, DAYS * DAILY))
        other *= 1 + effect
        ends = range(DAILY, DAYS * DAILY + 1, DAILY)
        found.append([difference(mean(other[:end]), mean(plain[:end])) for end in ends])
    return found


def share_found(interval: Callable[[Estimate], Interval], effect: float, seed: int) -> float:
    """Share of experiments in which a look on any day leaves 0 out."""
    outside = [any(low > 0 or high < 0 for low, high in map(interval, each)) for each in looks(effect, seed)]
    return float(np.mean(outside))


def anytime(estimate: Estimate) -> Interval:
    return anytime_interval(estimate, tightest_at=2 * DAYS * DAILY)


def test_daily_looks_at_two_equal_variants_find_an_effect_at_most_at_the_stated_rate() -> None:
    # 3.1 standard errors of a share of 0.05 above it.
    assert share_found(anytime, 0.0, seed=0) <= 0.05 + 3.1 * math.sqrt(0.05 * 0.95 / EXPERIMENTS)


def test_the_interval_of_one_look_errs_far_more_often_under_daily_looks() -> None:
    assert share_found(Estimate.interval, 0.0, seed=0) > 0.2


def test_a_large_effect_is_found_at_some_look() -> None:
    assert share_found(anytime, 0.3, seed=1) > 0.9


@pytest.mark.parametrize("users", [100, 2_000, 30_000])
def test_intervals_of_a_mean_are_those_of_a_package(users: int) -> None:
    values_Q = np.random.default_rng(2).exponential(2.0, users)
    wanted = ville.AsymptoticCS(alpha=0.1, t_opt=2_000).fit(values_Q).interval()
    assert anytime_interval(mean(values_Q), tightest_at=2_000, level=0.9) == pytest.approx(wanted, rel=1e-6)


def test_intervals_of_a_difference_are_near_those_of_a_package() -> None:
    """It weights outcomes by their propensity; ours subtracts means. Both are asymptotic."""
    rng = np.random.default_rng(3)
    treated_Q = rng.random(20_000) < 0.3
    values_Q = rng.exponential(1.0, 20_000) + 0.1 * treated_Q
    wanted = ville.AsymptoticABTest(propensity=0.3, t_opt=20_000).fit(values_Q, treated_Q)
    estimate = difference(mean(values_Q[treated_Q]), mean(values_Q[~treated_Q]))
    assert anytime_interval(estimate, tightest_at=20_000) == pytest.approx(wanted.interval(), abs=0.1 * estimate.error)
