"""Examination from what a log shows at several positions, against worlds whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from tests.benchmarks.bias.clicks import AdditiveLogits, PositionBased
from tests.benchmarks.bias.loggers import ByItem, ByRelevance, Logger, Mixture, NeighbourSwap, Random
from tests.benchmarks.bias.simulators import planted, simulate
from training.data.interventions import all_pairs, components, find_swaps, harvest_examination
from training.data.shown import count_shown
from training.data.slates import UNKNOWN, Slates

LENGTH = 6
TRUTH = 1 / np.arange(1, LENGTH + 1)
EVERYWHERE = PositionBased(examination=(1.0,) * LENGTH)
BIASED = PositionBased(examination=tuple(TRUTH.tolist()))
WORLD = planted(users=200, items=24, seed=0)


def drawn(logger: Logger, clicks=BIASED, *, answers: int = 8_000, seed: int = 1, **options) -> Slates:
    return simulate(WORLD, logger, clicks, answers=answers, length=LENGTH, seed=seed, **options).slates


LOGGERS = [
    Random(),
    ByRelevance(),
    NeighbourSwap(base=ByRelevance(), share=0.5),
    Mixture(loggers=(ByRelevance(), ByItem()), shares=(0.7, 0.3)),
]


@pytest.mark.parametrize("logger", LOGGERS, ids=lambda logger: type(logger).__name__)
def test_examination_is_found_whatever_the_ranker_knows(logger: Logger) -> None:
    """Even one that ranks by relevance exactly, as long as the competing items change."""
    found = harvest_examination(count_shown(drawn(logger)), seed=0)
    error_K = found.standard_error_K[1:]
    assert (np.abs(found.relative_K - TRUTH)[1:] < 3 * error_K).all()
    assert found.relative_K[0] == 1 and error_K.max() < 0.06


def test_two_fixed_rankers_are_enough() -> None:
    """Each user has the same items in every answer; only the other ranker moves them."""
    logger = Mixture(loggers=(ByRelevance(), ByItem()), shares=(0.5, 0.5))
    found = harvest_examination(count_shown(drawn(logger, fixed=True)), seed=0)
    assert (np.abs(found.relative_K - TRUTH)[1:] < 3 * found.standard_error_K[1:]).all()


def test_one_fixed_ranker_is_refused() -> None:
    with pytest.raises(ValueError, match=r"groups of position: 1; 2; 3; 4; 5; 6; wanted swaps"):
        harvest_examination(count_shown(drawn(ByRelevance(), fixed=True)), seed=0)


def test_standard_errors_are_those_of_repeated_logs() -> None:
    logs = [count_shown(drawn(ByRelevance(noise=3.0), answers=4_000, seed=seed)) for seed in range(20)]
    found = [harvest_examination(log, seed=0) for log in logs]
    z = np.concatenate([(each.relative_K - TRUTH)[1:] / each.standard_error_K[1:] for each in found])
    assert 0.8 < np.sqrt((z**2).mean()) < 1.25


def test_items_alone_take_a_personal_ranking_for_a_bias() -> None:
    """Nobody's look depends on the position; those who like an item see it first."""
    slates = drawn(ByRelevance(), EVERYWHERE)
    by_item = harvest_examination(count_shown(slates, unit_SL=slates.item_SL), seed=0)
    by_pair = harvest_examination(count_shown(slates), seed=0)
    assert by_item.relative_K[-1] < 0.8
    assert (np.abs(by_pair.relative_K - 1)[1:] < 3 * by_pair.standard_error_K[1:]).all()


def test_all_pairs_is_the_most_likely_estimate() -> None:
    """Against a general optimiser on the formula as the paper has it."""
    swaps = find_swaps(count_shown(drawn(Random(), answers=1_000)))
    rate_KK, units_KK = swaps.rate_GKK.sum(axis=0), swaps.units_KK
    off_KK, (row, column) = ~np.eye(LENGTH, dtype=bool), np.triu_indices(LENGTH, 1)
    mean_KK = (rate_KK + rate_KK.T) / (2 * units_KK + 1)

    def minus_likelihood(parameters: np.ndarray) -> float:
        relevance_KK = np.zeros((LENGTH, LENGTH))
        relevance_KK[row, column] = relevance_KK[column, row] = parameters[LENGTH:]
        p_KK = 1 / (1 + np.exp(-parameters[:LENGTH, None])) / (1 + np.exp(-relevance_KK))
        click_KK, miss_KK = rate_KK + mean_KK, units_KK + 1 - rate_KK - mean_KK
        return -(click_KK * np.log(p_KK) + miss_KK * np.log(1 - p_KK))[off_KK].sum()

    found = minimize(minus_likelihood, np.zeros(LENGTH + len(row)), method="BFGS")
    oracle_K = -np.log1p(np.exp(-found.x[:LENGTH]))
    np.testing.assert_allclose(all_pairs(rate_KK[None], units_KK[None])[0], oracle_K - oracle_K[0], atol=2e-4)


def test_a_position_that_a_resample_does_not_connect_has_no_error() -> None:
    """One user alone was shown items at the last position and at another."""
    slates = drawn(Random(), answers=2_000)
    one = slates.query_S == slates.query_S[0]
    code_SLC = slates.context_SLC.copy()
    code_SLC[~one, -1] = UNKNOWN
    found = harvest_examination(count_shown(replace(slates, context_SLC=code_SLC)), seed=0)
    assert np.isinf(found.standard_error_K[-1]) and found.interval_K2()[-1].tolist() == [0, np.inf]
    assert np.isfinite(found.standard_error_K[:-1]).all()


def test_unknown_positions_and_short_answers_are_left_out() -> None:
    slates = drawn(Random(), answers=500, shortest=2)
    code_SLC = slates.context_SLC.copy()
    code_SLC[:100] = UNKNOWN
    shown = count_shown(replace(slates, context_SLC=code_SLC))
    assert shown.unknown == slates.shown_SL[:100].sum()
    assert shown.impressions_E.sum() == slates.shown_SL[100:].sum()
    assert shown.clicks_E.sum() == slates.click_SL[100:].sum()


def test_units_stay_within_a_block_of_users() -> None:
    slates = drawn(Random(), AdditiveLogits(bias=(0.0,) * LENGTH), answers=500)
    shown = count_shown(slates, unit_SL=slates.item_SL, blocks=7)
    assert shown.blocks == 7 and len(np.unique(shown.block_E)) == 7
    assert len({*zip(shown.unit_E.tolist(), shown.block_E.tolist(), strict=True)}) == shown.units


def test_components_follow_chains() -> None:
    edge_KK = np.zeros((12, 12), bool)
    for one, other in ((0, 4), (4, 2), (2, 6), (6, 8), (8, 10), (10, 7), (7, 9), (1, 5)):
        edge_KK[one, other] = edge_KK[other, one] = True
    assert components(edge_KK) == [[0, 2, 4, 6, 7, 8, 9, 10], [1, 5], [3], [11]]
