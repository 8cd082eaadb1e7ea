"""Means and ratios: their errors are those of repeated draws of users."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_ind

from serving.experiments.statistics.estimate import Estimate, difference, power_of, relative_difference
from serving.experiments.statistics.means import mean, ratio
from training.evaluation.bootstrap import resampled_means


def clicks_and_answers(users: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Users who differ in their rate of clicks and in the number of their answers."""
    answers_Q = rng.geometric(0.1, users)
    return rng.binomial(answers_Q, rng.beta(1, 4, users)).astype(float), answers_Q.astype(float)


def test_the_error_of_a_ratio_is_that_of_users_not_of_answers() -> None:
    clicks_Q, answers_Q = clicks_and_answers(4_000, np.random.default_rng(0))
    found = ratio(clicks_Q, answers_Q)
    resampled_SM = resampled_means(np.column_stack([clicks_Q, answers_Q]), seed=0, samples=2_000)
    assert found.value == pytest.approx(clicks_Q.sum() / answers_Q.sum(), rel=1e-12)
    assert found.error == pytest.approx((resampled_SM[:, 0] / resampled_SM[:, 1]).std(), rel=0.06)
    naive = np.sqrt(found.value * (1 - found.value) / answers_Q.sum())
    assert naive < 0.6 * found.error


def test_the_interval_of_a_difference_is_that_of_welch() -> None:
    rng = np.random.default_rng(3)
    first_Q, second_Q = rng.exponential(1.0, 20_000), rng.gamma(4, 0.3, 5_000)
    wanted = ttest_ind(second_Q, first_Q, equal_var=False).confidence_interval(0.95)
    assert difference(mean(second_Q), mean(first_Q)).interval() == pytest.approx(tuple(wanted), rel=1e-3)


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(1)
    held = np.zeros(3)
    for _ in range(600):
        # A rate of 0.2 in both; values of mean 1 and 1.1.
        first, second = (ratio(*clicks_and_answers(300, rng)) for _ in range(2))
        plain, better = mean(rng.exponential(1.0, 300)), mean(rng.exponential(1.1, 300))
        found = (first, difference(first, second), relative_difference(better, plain))
        bounds = [each.interval() for each in found]
        held += [low <= true <= high for (low, high), true in zip(bounds, (0.2, 0, 0.1), strict=True)]
    assert (np.abs(held / 600 - 0.95) < 0.03).all(), held


def test_a_planted_effect_of_three_per_cent_is_found_with_the_stated_power() -> None:
    rng, users, effect = np.random.default_rng(2), 4_400, 0.03
    found = 0
    for _ in range(600):
        plain, better = mean(rng.gamma(4, 0.25, users)), mean(rng.gamma(4, 0.25 * (1 + effect), users))
        low, high = relative_difference(better, plain).interval()
        found += low > 0 or high < 0
    # The standard deviation of a gamma of shape 4 is half its mean, in both variants.
    stated = power_of(effect, 0.5 * (1 + effect) * np.sqrt(2 / users))
    assert stated == pytest.approx(0.78, abs=0.005)
    assert found / 600 == pytest.approx(stated, abs=3.3 * np.sqrt(0.8 * 0.2 / 600))


def test_what_has_no_error_is_refused() -> None:
    with pytest.raises(ValueError, match="got 1 users; wanted at least 2"):
        mean(np.ones(1))
    with pytest.raises(ValueError, match="denominators sum to 0"):
        ratio(np.zeros(3), np.zeros(3))
    unsure = Estimate(value=0.1, error=0.1, users=100)
    with pytest.raises(ValueError, match="wanted one clearly above 0"):
        relative_difference(unsure, unsure)
