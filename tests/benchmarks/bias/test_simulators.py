"""The simulated logs are what they say: propensities, looks, neighbours, relevance."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.bias.clicks import (
    AdditiveLogits,
    Cascade,
    Neighbours,
    PositionBased,
    ProductOfProbabilities,
    TwoTypes,
    beside,
    sigmoid,
)
from tests.benchmarks.bias.loggers import ByIrrelevant, ByRelevance, Companions, Logger, Mixture, NeighbourSwap, Random
from tests.benchmarks.bias.simulators import planted, simulate
from training.data.slates import NO_ITEM

LENGTH = 5
EVERYWHERE = PositionBased(examination=(1.0,) * LENGTH)
WORLD = planted(users=100, items=40, seed=0)


@pytest.mark.parametrize(
    "logger",
    [
        Random(),
        ByRelevance(),
        NeighbourSwap(base=ByRelevance(), share=0.6),
        Mixture(loggers=(Random(), ByIrrelevant(), ByRelevance()), shares=(0.3, 0.3, 0.4)),
        NeighbourSwap(base=Mixture(loggers=(ByIrrelevant(), ByRelevance()), shares=(0.5, 0.5)), share=0.6),
    ],
    ids=["random", "fixed", "swap", "mixture", "swap of a mixture"],
)
def test_an_item_stands_where_it_does_as_often_as_its_propensity_says(logger: Logger) -> None:
    slates = simulate(
        planted(users=1, items=LENGTH, seed=3), logger, EVERYWHERE, answers=20_000, length=LENGTH, seed=1
    ).slates
    place_SL = slates.item_SL * LENGTH + np.arange(LENGTH)
    times_X = np.bincount(place_SL.ravel(), minlength=LENGTH**2)
    told_X = np.bincount(place_SL.ravel(), slates.propensity_SL.ravel(), minlength=LENGTH**2)
    seen = times_X > 0
    np.testing.assert_allclose(told_X[seen] / times_X[seen], times_X[seen] / 20_000, atol=0.015)


def test_noise_leaves_no_propensity() -> None:
    assert (
        simulate(WORLD, ByRelevance(noise=1.0), EVERYWHERE, answers=10, length=LENGTH, seed=1).slates.propensity_SL
        is None
    )


def test_relevance_is_that_of_the_pair() -> None:
    log = simulate(WORLD, Random(), EVERYWHERE, answers=2_000, length=LENGTH, seed=1, shortest=2)
    shown_SL = log.slates.shown_SL
    of_pair_SL = WORLD.relevance_UN[log.slates.query_S[:, None], log.slates.item_SL]
    np.testing.assert_allclose(log.relevance_SL[shown_SL], of_pair_SL[shown_SL])
    assert (log.relevance_SL[~shown_SL] == 0).all() and (log.slates.click_SL[~shown_SL] == 0).all()
    assert (log.slates.item_SL[~shown_SL] == NO_ITEM).all()
    assert set(shown_SL.sum(axis=1)) == {2, 3, 4, 5}
    # The products are features of which the logit is a linear function.
    logit_SL = WORLD.base + WORLD.scale / np.sqrt(7) * log.product_SLF[:, :, :-1].sum(axis=2)
    np.testing.assert_allclose(sigmoid(logit_SL)[shown_SL], log.relevance_SL[shown_SL])


def test_an_answer_has_an_item_once() -> None:
    for options in ({}, {"fixed": True}, {"spread": 0.3}):
        item_SL = simulate(WORLD, Random(), EVERYWHERE, answers=500, length=LENGTH, seed=1, **options).slates.item_SL
        assert (np.diff(np.sort(item_SL, axis=1), axis=1) > 0).all()


FALLING, BIAS = np.array([1.0, 0.5, 0.2]), np.array([2.0, 0.0, -1.0])
RELEVANCE = np.array([0.7, 0.2, 0.5])
LOGIT = np.log(RELEVANCE / (1 - RELEVANCE))
LOOKS, TRUST = (1.0, 0.5, 0.2), (0.4, 0.2, 0.0)


@pytest.mark.parametrize(
    ("clicks", "rate_L"),
    [
        (PositionBased(examination=LOOKS), RELEVANCE * FALLING),
        (PositionBased(examination=LOOKS, trust=TRUST), (RELEVANCE + (1 - RELEVANCE) * TRUST) * FALLING),
        (TwoTypes(patient=0.3, depth=2), [0.7, 0.2, 0.5 * 0.3]),
        (Cascade(), [0.7, 0.3 * 0.2, 0.3 * 0.8 * 0.5]),
        (ProductOfProbabilities(bias=(2.0, 0.0, -1.0)), RELEVANCE * sigmoid(BIAS)),
        (AdditiveLogits(bias=(2.0, 0.0, -1.0)), sigmoid(LOGIT + BIAS)),
        (Neighbours(strength=4.0), sigmoid(LOGIT + 4 * (np.array([0.2, 0.6, 0.2]) - 0.5))),
    ],
    ids=["position", "trust", "two types", "cascade", "product", "additive", "neighbours"],
)
def test_clicks_have_the_rates_of_the_formula(clicks, rate_L) -> None:
    found_L = clicks.clicks(np.tile(LOGIT, (40_000, 1)), np.random.default_rng(0)).mean(axis=0)
    np.testing.assert_allclose(found_L, rate_L, atol=0.012)


def test_click_first_users_and_patient_ones_are_drawn_by_answer() -> None:
    """Clicks below the first positions come together."""
    click_SL = TwoTypes(patient=0.5).clicks(np.full((20_000, 3), 20.0), np.random.default_rng(0))
    assert (click_SL[:, 1] == click_SL[:, 2]).all() and 0.48 < click_SL[:, 1].mean() < 0.52


def test_neighbours_are_alike_in_a_narrow_section_only() -> None:
    alike = {}
    for spread in (1.0, 0.3):
        log = simulate(WORLD, Random(), EVERYWHERE, answers=4_000, length=LENGTH, seed=1, spread=spread)
        own_SL = log.relevance_SL - WORLD.relevance_UN.mean(axis=1)[log.slates.query_S][:, None]
        alike[spread] = np.corrcoef(own_SL.ravel(), beside(own_SL).ravel())[0, 1]
    assert abs(alike[1.0]) < 0.06 and alike[0.3] > 0.5


def test_companions_stand_beside_relevant_items_and_are_no_better_themselves() -> None:
    log = simulate(WORLD, Companions(), Cascade(), answers=20_000, length=8, seed=1)
    feature_SL = WORLD.item_NF[log.slates.item_SL, -1]
    beside_SL = beside(log.relevance_SL)
    assert np.corrcoef(feature_SL.ravel(), beside_SL.ravel())[0, 1] > 0.2
    assert abs(np.corrcoef(feature_SL.ravel(), log.relevance_SL.ravel())[0, 1]) < 0.1
    assert np.ptp(log.relevance_SL.mean(axis=0)[[0, -1]]) < 0.02


def test_the_same_seed_draws_the_same_log() -> None:
    one, same, other = (
        simulate(WORLD, ByRelevance(noise=1.0), Cascade(), answers=200, length=LENGTH, seed=seed).slates
        for seed in (1, 1, 2)
    )
    assert (one.item_SL == same.item_SL).all() and (one.click_SL == same.click_SL).all()
    assert (one.item_SL != other.item_SL).any()
