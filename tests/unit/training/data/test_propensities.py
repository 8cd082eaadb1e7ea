"""Weights from propensities: what a weighted log stands for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.benchmarks.bias.clicks import PositionBased
from tests.benchmarks.bias.loggers import ByRelevance, Mixture, Random
from tests.benchmarks.bias.simulators import planted, simulate
from training.data.interventions import Examination
from training.data.propensities import click_weights, effective_size, selection_weights
from training.data.slates import UNKNOWN
from training.recipes.impressions import InversePropensity

LENGTH = 6
TRUTH = 1 / np.arange(1, LENGTH + 1)
MOSTLY_RANKED = Mixture(loggers=(Random(), ByRelevance()), shares=(0.4, 0.6))
WORLD = planted(users=200, items=40, seed=0)
BIASED = PositionBased(examination=tuple(TRUTH.tolist()))
LOG = simulate(WORLD, MOSTLY_RANKED, BIASED, answers=20_000, length=LENGTH, seed=1)
EXACT = Examination(code_K=1 + np.arange(LENGTH), relative_K=TRUTH, resampled_BK=TRUTH[None])


def test_effective_size_is_that_of_the_formula() -> None:
    assert effective_size(np.ones(7)) == 7
    assert effective_size(np.array([1.0, 0, 0, 0])) == 1
    assert effective_size(np.array([1.0, 3.0])) == pytest.approx(16 / 10)


def test_selection_weights_stand_for_a_log_in_random_order() -> None:
    """What a ranker puts first is relevant; weighted, the first position is like any other."""
    weight_SL = selection_weights(LOG.slates, InversePropensity(clip=0.01))
    plain_L = LOG.relevance_SL.mean(axis=0)
    weighted_L = (weight_SL * LOG.relevance_SL).sum(axis=0) / weight_SL.sum(axis=0)
    assert plain_L[0] - plain_L[-1] > 0.2
    np.testing.assert_allclose(weighted_L, LOG.relevance_SL.mean(), atol=0.015)
    assert weight_SL[LOG.slates.shown_SL].mean() == pytest.approx(1)


def test_click_weights_make_clicks_count_as_if_everybody_looked() -> None:
    weight_SL = click_weights(LOG.slates, EXACT, clip=0.01)
    seen_L = (weight_SL * LOG.slates.click_SL).sum(axis=0) / LOG.relevance_SL.sum(axis=0)
    np.testing.assert_allclose(seen_L, 1, atol=0.06)
    assert (weight_SL[LOG.slates.click_SL == 0] == 1).all()


def test_click_weights_are_clipped_and_an_unknown_position_says_nothing() -> None:
    code_SLC = LOG.slates.context_SLC.copy()
    code_SLC[:, -1] = UNKNOWN
    click_SL = np.ones_like(LOG.slates.click_SL)
    partly = replace(EXACT, relative_K=np.where(np.arange(LENGTH) == 1, np.nan, TRUTH))
    slates = replace(LOG.slates, context_SLC=code_SLC, click_SL=click_SL)
    weight_SL = click_weights(slates, partly, clip=0.3)
    np.testing.assert_allclose(weight_SL[0], [1, 0, 3, 1 / 0.3, 1 / 0.3, 0], rtol=1e-6)


def test_the_columns_behind_an_answer_weigh_nothing() -> None:
    log = simulate(WORLD, Random(), BIASED, answers=50, length=LENGTH, seed=1, shortest=1)
    for weight_SL in (click_weights(log.slates, EXACT, clip=0.1), selection_weights(log.slates, InversePropensity())):
        assert ((weight_SL > 0) == log.slates.shown_SL).all()


def test_an_impression_of_unknown_propensity_is_not_taken_for_certain() -> None:
    propensity_SL = LOG.slates.propensity_SL.copy()
    propensity_SL[3, 2] = np.nan
    with pytest.raises(ValueError, match="1 of 120,000 impressions have no propensity"):
        selection_weights(replace(LOG.slates, propensity_SL=propensity_SL), InversePropensity())


def test_a_log_without_propensities_is_refused() -> None:
    with pytest.raises(ValueError, match="log `propensity`, or leave selection out"):
        selection_weights(replace(LOG.slates, propensity_SL=None), InversePropensity())


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.5])
def test_a_propensity_that_is_no_probability_is_refused(wrong: float) -> None:
    propensity_SL = LOG.slates.propensity_SL.copy()
    propensity_SL[3, 2] = wrong
    with pytest.raises(ValueError, match="1 of 120,000 propensities are not probabilities"):
        selection_weights(replace(LOG.slates, propensity_SL=propensity_SL), InversePropensity())


def test_weights_that_leave_too_little_are_refused() -> None:
    """One impression in a thousand has nearly all the weight."""
    propensity_SL = np.ones_like(LOG.slates.propensity_SL)
    propensity_SL[::1000, 0] = 1e-6
    slates = replace(LOG.slates, propensity_SL=propensity_SL)
    with pytest.raises(ValueError, match=r"leave 0.02% of 120,000 impressions effective; wanted at least 1.00%"):
        selection_weights(slates, InversePropensity(clip=1e-6))
    assert selection_weights(slates, InversePropensity(clip=0.5)).max() < 2.1
