"""Overlap, dependence of the ranker, weights and convergence: each against a known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from tests.benchmarks.bias.clicks import AdditiveLogits, PositionBased
from tests.benchmarks.bias.loggers import ByIrrelevant, ByRelevance, Logger, Mixture, Random
from tests.benchmarks.bias.simulators import planted, simulate
from training.data.click_labels import click_labels
from training.data.propensities import selection_weights
from training.data.shown import count_shown
from training.data.slates import UNKNOWN
from training.diagnostics import Convergence, convergence, moved, weighting_effect
from training.diagnostics.features import Impressions, conditional_effect, overlap
from training.diagnostics.logging_policy import dependence
from training.recipes.impressions import ImpressionTask, InverseExamination, InversePropensity

LENGTH = 6
TRUTH = 1 / np.arange(1, LENGTH + 1)
BIASED = PositionBased(examination=tuple(TRUTH.tolist()))
WORLD = planted(users=200, items=24, seed=0)


@pytest.mark.parametrize(
    "logger", [Random(), ByIrrelevant(), ByRelevance(noise=1.0)], ids=lambda each: type(each).__name__
)
def test_dependence_is_that_of_the_true_relevance(logger: Logger) -> None:
    log = simulate(WORLD, logger, BIASED, answers=10_000, length=LENGTH, seed=1)
    found = dependence(count_shown(log.slates), TRUTH)
    position_SL = np.broadcast_to(np.arange(LENGTH), log.relevance_SL.shape)
    truth = np.corrcoef(position_SL.ravel(), log.relevance_SL.ravel())[0, 1]
    assert found.correlation == pytest.approx(truth, abs=0.06)
    np.testing.assert_allclose(
        found.relevance_K, log.relevance_SL.mean(axis=0) / log.relevance_SL[:, 0].mean(), atol=0.2
    )


def test_dependence_is_unknown_where_nothing_moves() -> None:
    log = simulate(WORLD, ByRelevance(), BIASED, answers=1_000, length=LENGTH, seed=1, fixed=True)
    found = dependence(count_shown(log.slates), TRUTH)
    assert found.correlation is None and np.isnan(found.relevance_K).all()


def features(one_PF: np.ndarray, other_PF: np.ndarray) -> Impressions:
    sizes = (len(one_PF), len(other_PF))
    rows = sum(sizes)
    return Impressions(
        feature_PF=np.concatenate([one_PF, other_PF]), place_P=np.repeat([0, 1], sizes), click_P=np.zeros(rows),
        user_P=np.arange(rows), code_K=np.array([1, 2]),
    )  # fmt: skip


@pytest.mark.parametrize("shift", [0.0, 1.0, 2.0, 8.0])
def test_overlap_of_two_normal_distributions_is_that_of_the_formula(shift: float) -> None:
    """Along the diagonal of two correlated features, neither of which tells them apart as well."""
    rng = np.random.default_rng(0)
    apart = np.array([1.0, -1.0]) * shift * np.sqrt(0.05)
    one_PF, other_PF = (rng.multivariate_normal(mean, [[1, 0.9], [0.9, 1]], 4_000) for mean in (apart / 2, -apart / 2))
    distance = np.sqrt(apart @ np.linalg.inv([[1, 0.9], [0.9, 1]]) @ apart)
    found = overlap(features(one_PF, other_PF), seed=0)[0, 1]
    assert found == pytest.approx(2 * stats.norm.cdf(-distance / 2), abs=0.08)


def test_conditional_effect_is_the_logistic_regression_of_a_general_optimiser() -> None:
    log = simulate(WORLD, ByIrrelevant(), AdditiveLogits(bias=(0.5, 0.0, -0.5)), answers=700, length=3, seed=1)
    seen = Impressions(
        feature_PF=log.product_SLF.reshape(2_100, -1), place_P=np.tile(np.arange(3), 700),
        click_P=log.slates.click_SL.ravel().astype(float), user_P=np.repeat(log.slates.query_S, 3),
        code_K=np.arange(1, 4),
    )  # fmt: skip
    input_PW = np.column_stack([seen.feature_PF, np.eye(3)[seen.place_P]])

    def loss(weight_W: np.ndarray) -> float:
        logit_P = input_PW @ weight_W
        return float((np.logaddexp(0, logit_P) - seen.click_P * logit_P).sum())

    best_W = minimize(loss, np.zeros(input_PW.shape[1]), method="BFGS").x
    rate_K = [1 / (1 + np.exp(-(seen.feature_PF @ best_W[:-3] + theta))) for theta in best_W[-3:]]
    found = conditional_effect(seen, seed=0).examination
    np.testing.assert_allclose(found.relative_K, [rate.mean() / rate_K[0].mean() for rate in rate_K], rtol=1e-3)


def test_intervals_through_features_hold_the_truth_as_often_as_they_say() -> None:
    inside, p_values = [], []
    for seed in range(40):
        log = simulate(WORLD, ByIrrelevant(), AdditiveLogits(bias=(0.0,) * 3), answers=500, length=3, seed=seed)
        seen = Impressions(
            feature_PF=log.product_SLF.reshape(1_500, -1)[:, :-1], place_P=np.tile(np.arange(3), 500),
            click_P=log.slates.click_SL.ravel().astype(float), user_P=np.repeat(log.slates.query_S, 3),
            code_K=np.arange(1, 4),
        )  # fmt: skip
        found = conditional_effect(seen, seed=0)
        low_K, high_K = found.examination.interval_K2().T
        inside += ((low_K <= 1) & (high_K >= 1))[1:].tolist()
        p_values.append(found.p_value)
    assert np.mean(inside) > 0.88
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_weights_move_click_rates_to_those_of_a_random_order() -> None:
    logger = Mixture(loggers=(Random(), ByRelevance()), shares=(0.4, 0.6))
    log = simulate(WORLD, logger, BIASED, answers=20_000, length=LENGTH, seed=1)
    found = weighting_effect(log.slates, selection_weights(log.slates, InversePropensity(clip=0.01)))
    np.testing.assert_allclose(found.weighted_K / found.weighted_K[0], TRUTH, atol=0.05)
    assert found.rate_K[-1] / found.rate_K[0] < 0.1 and found.largest_move > 0.2
    assert found.effective_impressions < 0.8 * 120_000 and found.effective_answers < 20_000


def test_labels_over_examination_make_click_rates_those_of_a_look() -> None:
    log = simulate(WORLD, Random(), BIASED, answers=20_000, length=LENGTH, seed=1)
    slates = replace(log.slates, context_SLC=log.slates.context_SLC.copy())
    slates.context_SLC[:10] = UNKNOWN
    labels = click_labels(slates, ImpressionTask(examination=InverseExamination()), slates.query_S)
    found = weighting_effect(slates, labels.weight_SL, label_SL=labels.label_SL)
    np.testing.assert_allclose(found.weighted_K, found.rate_K[0], rtol=0.15)
    assert found.rate_K[-1] < 0.4 * found.rate_K[0]
    assert (found.left_out, found.impressions) == (10 * LENGTH, 19_990 * LENGTH)
    assert found.effective_clicks < 0.9 * found.clicks
    assert f"{10 * LENGTH} of unknown examination count for nothing" in found.lines[0]


def test_equal_weights_change_nothing() -> None:
    log = simulate(WORLD, Random(), BIASED, answers=500, length=LENGTH, seed=1)
    found = weighting_effect(log.slates, np.full((500, LENGTH), 2.0, np.float32))
    assert (found.effective_impressions, found.effective_answers) == (3_000, 500)
    assert found.largest_move == pytest.approx(0)


def test_only_the_first_of_many_values_are_told() -> None:
    log = simulate(WORLD, Random(), BIASED, answers=500, length=LENGTH, seed=1).slates
    code_SLC = np.arange(log.click_SL.size).reshape(*log.click_SL.shape, 1) % 1_500 + 1
    device = replace(log, names=("device",), sizes=(1_501,), context_SLC=code_SLC)
    line = weighting_effect(device, np.ones(log.click_SL.shape, np.float32), name="device").lines[1]
    assert line.count("0.") + line.count("1.") == 2 * 20
    assert line.endswith("(and 1,480 more)")


def bias_learned_at(rate: float, epochs: int) -> tuple[np.ndarray, float]:
    """Logits of three positions by gradient ascent, and what a refit would still add."""
    share_K = np.array([0.6, 0.3, 0.1])
    best_K = np.log(share_K / (1 - share_K))

    def likelihood(value_K: np.ndarray) -> float:
        p_K = 1 / (1 + np.exp(-value_K))
        return float((share_K * np.log(p_K) + (1 - share_K) * np.log(1 - p_K)).mean())

    value_TV = [np.zeros(3)]
    for _ in range(epochs):
        value_TV.append(value_TV[-1] + rate * (share_K - 1 / (1 + np.exp(-value_TV[-1]))))
    return np.stack(value_TV), likelihood(best_K) - likelihood(value_TV[-1])


def judged(value_TV: np.ndarray, left: float) -> Convergence:
    return convergence(moved(value_TV[-2], value_TV[-1]), left)


def test_a_tower_that_has_learned_its_bias_has_converged() -> None:
    assert judged(*bias_learned_at(3.0, 40)).converged


def test_a_tower_that_stands_still_far_from_its_optimum_has_not() -> None:
    found = judged(*bias_learned_at(0.001, 40))
    assert not found.converged and found.moved < 0.05
    assert "a refit of the tower alone adds" in found.reason and "raise the bias tower's learning rate" in found.reason


def test_a_tower_that_still_moves_has_not() -> None:
    value_TV = np.array([[0.0, -1.0], [0.3, -1.3]])
    assert not judged(value_TV, 0.0).converged
    shifted_TV = value_TV + np.array([[0.0], [5.0]])
    assert judged(shifted_TV, 0.0).moved == pytest.approx(judged(value_TV, 0.0).moved)


def test_values_that_are_not_finite_have_not_converged() -> None:
    found = judged(np.array([[0.0, 1.0], [0.0, np.nan]]), 0.0)
    assert not found.converged and "not finite" in found.reason
