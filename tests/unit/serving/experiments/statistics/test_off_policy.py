"""Off-policy estimates: unbiased on a logged bandit, with intervals that hold its truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from serving.experiments.statistics.estimate import Estimate
from serving.experiments.statistics.off_policy import (
    MIN_EFFECTIVE,
    Logged,
    cross_fitted,
    doubly_robust,
    effective_users,
    ips,
    refusal,
    snips,
)
from tests.unit.serving.experiments.statistics.bandit_world import TRUTH, Drawn, draw

WORLDS = 400


def robust(drawn: Drawn) -> Estimate:
    return doubly_robust(drawn.logged, drawn.shown_N, drawn.chosen_N)


def blind(drawn: Drawn) -> Estimate:
    """Doubly robust with predictions that know nothing."""
    constant_N = np.full(len(drawn.shown_N), 0.9)
    return doubly_robust(drawn.logged, constant_N, constant_N)


METHODS: dict[str, Callable[[Drawn], Estimate]] = {
    "ips": lambda drawn: ips(drawn.logged),
    "snips": lambda drawn: snips(drawn.logged),
    "doubly robust": robust,
    "doubly robust with wrong predictions": blind,
}


def estimates(method: Callable[[Drawn], Estimate], users: int = 600, propensity_error: float = 1.0) -> list[Estimate]:
    rng = np.random.default_rng(0)
    return [method(draw(users, rng, propensity_error=propensity_error)) for _ in range(WORLDS)]


@pytest.mark.parametrize("name", METHODS)
def test_estimates_have_the_truth_as_their_mean_and_in_their_intervals(name: str) -> None:
    found = estimates(METHODS[name])
    values = [each.value for each in found]
    assert np.mean(values) == pytest.approx(TRUTH, abs=4 * np.std(values) / np.sqrt(WORLDS))
    assert np.mean([each.error for each in found]) == pytest.approx(np.std(values), rel=0.15)
    held = np.mean([low <= TRUTH <= high for low, high in (each.interval() for each in found)])
    assert held == pytest.approx(0.95, abs=0.045)


def test_an_answer_that_a_user_has_three_times_narrows_no_interval() -> None:
    drawn = draw(600, np.random.default_rng(4))
    row_N = np.repeat(np.arange(len(drawn.shown_N)), 3)
    thrice = Drawn(
        logged=Logged(**{name: values_N[row_N] for name, values_N in vars(drawn.logged).items()}),
        shown_N=drawn.shown_N[row_N],
        chosen_N=drawn.chosen_N[row_N],
    )
    for method in METHODS.values():
        assert method(thrice).error == pytest.approx(method(drawn).error)
    assert effective_users(thrice.logged) == pytest.approx(effective_users(drawn.logged))


def test_right_predictions_mend_wrong_propensities_and_ips_does_not() -> None:
    # Halved propensities: weights are twice too large.
    values = [each.value for each in estimates(robust, propensity_error=0.5)]
    assert np.mean(values) == pytest.approx(TRUTH, abs=4 * np.std(values) / np.sqrt(WORLDS))
    assert np.mean([each.value for each in estimates(METHODS["ips"], propensity_error=0.5)]) > 1.8 * TRUTH


def test_predictions_shrink_the_error() -> None:
    errors = {name: np.mean([each.error for each in estimates(METHODS[name])]) for name in ("ips", "doubly robust")}
    assert errors["doubly robust"] < 0.8 * errors["ips"]


def test_right_weights_are_accepted_and_wrong_ones_refused() -> None:
    rng = np.random.default_rng(1)
    assert refusal(draw(2_000, rng).logged) is None
    assert "wanted 1: the propensities are wrong" in str(refusal(draw(2_000, rng, propensity_error=0.5).logged))


def test_too_few_effective_users_are_refused() -> None:
    drawn = draw(100, np.random.default_rng(2)).logged
    assert effective_users(drawn) < 100
    assert f"effective users; wanted at least {MIN_EFFECTIVE}" in str(refusal(drawn))


def test_effective_users_are_all_for_equal_weights_and_one_for_a_single_weight() -> None:
    ones = np.ones(50)
    even = Logged(reward_N=ones, propensity_N=ones, target_N=ones, user_N=np.arange(50))
    assert effective_users(even) == pytest.approx(50)
    single = Logged(reward_N=ones, propensity_N=ones, target_N=np.eye(50)[3], user_N=np.arange(50))
    assert effective_users(single) == pytest.approx(1)
    # Fifty answers of one user are one user.
    assert effective_users(Logged(reward_N=ones, propensity_N=ones, target_N=ones, user_N=np.zeros(50, int))) == 1


def test_a_prediction_does_not_know_the_rewards_of_its_own_half() -> None:
    rng = np.random.default_rng(3)
    reward_N, before_N, user_N = rng.random(200), rng.random(200), np.arange(200)
    logged = Logged(reward_N=reward_N, propensity_N=np.ones(200), target_N=np.ones(200), user_N=user_N)
    changed = Logged(
        reward_N=np.where(user_N % 2, reward_N, 5.0), propensity_N=np.ones(200), target_N=np.ones(200), user_N=user_N
    )
    first, second = cross_fitted(before_N, logged), cross_fitted(before_N, changed)
    assert (first[::2] == second[::2]).all()
    assert (first[1::2] != second[1::2]).all()


def test_a_propensity_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        Logged(reward_N=np.ones(1), propensity_N=np.zeros(1), target_N=np.ones(1), user_N=np.zeros(1, int))
