"""Doubly robust labels: exact expectations, and what the reward model may know."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from tests.benchmarks.bias.clicks import PositionBased
from tests.benchmarks.bias.loggers import Random
from tests.benchmarks.bias.simulators import planted, simulate
from training.data.click_labels import click_labels
from training.data.doubly_robust import doubly_robust, item_relevance
from training.recipes import DoublyRobustExamination, ImpressionTask, InverseExamination

LOOKS = np.array([1.0, 0.5, 0.1])
RELEVANT = np.array([0.3, 0.9, 0.6])
LOG = simulate(
    planted(users=300, items=15, seed=0), Random(), PositionBased(examination=tuple(LOOKS)),
    answers=9_000, length=3, seed=1,
)  # fmt: skip


def expected_labels(predicted_L: np.ndarray, clip: float) -> np.ndarray:
    """Mean of the labels over all patterns of looks at items, and of their relevance."""
    total_L = np.zeros(3)
    for look_L in product([0, 1], repeat=3):
        for relevant_L in product([0, 1], repeat=3):
            both = (np.array(look_L), LOOKS), (np.array(relevant_L), RELEVANT)
            probability = np.prod([np.where(is_L, rate_L, 1 - rate_L) for is_L, rate_L in both])
            click_L = np.array(look_L) * np.array(relevant_L)
            total_L += probability * doubly_robust(click_L, LOOKS, predicted_L, clip=clip)
    return total_L


@pytest.mark.parametrize("clip", [0.1, 0.4, 1.0])
def test_a_right_model_is_enough_whatever_is_clipped(clip: float) -> None:
    np.testing.assert_allclose(expected_labels(RELEVANT, clip), RELEVANT)


@pytest.mark.parametrize("predicted", [0.0, 0.2, 1.0])
def test_looks_that_are_not_clipped_are_enough_whatever_the_model_says(predicted: float) -> None:
    np.testing.assert_allclose(expected_labels(np.full(3, predicted), 0.1), RELEVANT)


def test_where_both_are_wrong_the_error_is_their_product() -> None:
    found_L = expected_labels(RELEVANT + 0.1, clip=0.4)
    np.testing.assert_allclose(found_L - RELEVANT, 0.1 * (1 - LOOKS / np.maximum(LOOKS, 0.4)), atol=1e-12)


def test_the_reward_model_of_an_impression_has_seen_other_users_alone() -> None:
    slates = LOG.slates
    look_SL = np.broadcast_to(LOOKS, slates.click_SL.shape)
    before_SL = item_relevance(slates, look_SL, slates.query_S, prior=20)
    own_S = slates.query_S == 7
    flipped = replace(slates, click_SL=np.where(own_S[:, None], 1 - slates.click_SL, slates.click_SL))
    after_SL = item_relevance(flipped, look_SL, slates.query_S, prior=20)
    np.testing.assert_array_equal(before_SL[own_S], after_SL[own_S])
    assert (before_SL != after_SL).any()
    rate_N = np.bincount(slates.item_SL.ravel(), LOG.relevance_SL.ravel()) / np.bincount(slates.item_SL.ravel())
    assert np.corrcoef(before_SL.ravel(), rate_N[slates.item_SL].ravel())[0, 1] > 0.6
    assert before_SL.mean() == pytest.approx(LOG.relevance_SL.mean(), rel=0.05)


def test_labels_of_rare_looks_keep_their_mean_and_vary_less() -> None:
    """Beside c / p: clipped high it loses the mean, clipped low it varies more."""
    tasks = {
        "robust": DoublyRobustExamination(clip=0.5),
        "high": InverseExamination(clip=0.5),
        "low": InverseExamination(clip=0.05),
    }
    labels = {
        name: click_labels(LOG.slates, ImpressionTask(examination=each), LOG.slates.query_S).label_SL
        for name, each in tasks.items()
    }
    last = LOG.relevance_SL[:, -1].mean()
    assert labels["robust"][:, -1].mean() == pytest.approx(last, rel=0.1)
    assert labels["high"][:, -1].mean() < 0.4 * last
    assert labels["robust"][:, -1].var() < 0.2 * labels["low"][:, -1].var()
    np.testing.assert_allclose(labels["robust"][:, 0], labels["high"][:, 0], rtol=1e-5)


def test_labels_do_not_depend_on_how_users_are_numbered() -> None:
    """The report numbers users otherwise than the training, and tells of the same labels."""
    task = ImpressionTask(examination=DoublyRobustExamination())
    number_U = np.random.default_rng(3).permutation(1_000)
    plain, renumbered = (
        click_labels(LOG.slates, task, user_S).label_SL for user_S in (LOG.slates.query_S, number_U[LOG.slates.query_S])
    )
    np.testing.assert_allclose(plain, renumbered, atol=1e-6)  # sums in another order


def test_fewer_users_than_folds_are_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match=r"the log has 4 users: .* or use InverseExamination"):
        item_relevance(LOG.slates, np.ones(LOG.slates.click_SL.shape), LOG.slates.query_S % 4, prior=20)
