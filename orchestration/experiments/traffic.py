"""Traffic that an exploration needs for a precision, and the clicks it costs, by simulation.

Legend: R repetitions, J ranks, K positions, P pairs of neighbouring positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestration.experiments.planted_clicks import PlantedClicks
from serving.experiments.exploration import Exploration, Kind

SHARES = (0.005, 0.01, 0.02, 0.05)
DAYS = (1, 7, 28)
REPETITIONS = 400
"""Simulated logs; a standard error from them has an error of 3.5 % of its own."""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Precision and cost of an exploration at a number of answers."""

    kind: str
    share: float
    days: float
    answers: int
    errors: tuple[float | None, ...]
    """Standard error of each position's examination relative to the first one; None where
    some of the simulated logs have no click to tell it from."""
    loss: float
    """Share of the clicks of the undisturbed ranking that it costs."""


def traffic_of(
    clicks: PlantedClicks,
    answers_a_day: int,
    *,
    shares: Sequence[float] = SHARES,
    days: Sequence[float] = DAYS,
    seed: int = 0,
    repetitions: int = REPETITIONS,
) -> list[Traffic]:
    """Simulate logs of both kinds, and measure how well they tell the examination.

    Args:
        clicks: what is planted, for as many positions as are randomised.
        answers_a_day: answers that exploration may randomise.
        shares: shares of the answers that are randomised.
        days: days of traffic.
        seed: random seed.
        repetitions: simulated logs of each row.

    Raises:
        ValueError: fewer than two positions.
    """
    depth = len(clicks.examination_K)
    if depth < 2:
        raise ValueError(f"got {depth} position; wanted at least 2, or there is nothing to compare")
    rng = np.random.default_rng(seed)
    found = []
    for kind in Kind:
        for share in shares:
            exploration = Exploration(share=share, kind=kind, depth=depth)
            for each in days:
                answers = max(1, round(answers_a_day * each))
                shown_RJK = displays(exploration, depth, answers, repetitions, rng)
                clicked_RJK = rng.binomial(shown_RJK, clicks.probability_JK)
                told_RK = relative_examination(clicked_RJK, propensities(exploration, depth))
                errors = tuple(_error(told_R) for told_R in told_RK.T)
                loss = _loss(clicks, shown_RJK)
                found.append(Traffic(kind=kind, share=share, days=each, answers=answers, errors=errors, loss=loss))
    return found


def propensities(exploration: Exploration, depth: int) -> np.ndarray:
    """Probability of each rank at each position: [J, K]."""
    places = range(depth)
    return np.array([[exploration.propensity(rank, place, depth) for place in places] for rank in places])


def displays(
    exploration: Exploration, depth: int, answers: int, repetitions: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw how often each rank is shown at each position: [R, J, K].

    Args:
        exploration: share and kind.
        depth: number of positions.
        answers: answers of a log.
        repetitions: number of logs.
        rng: random numbers.
    """
    randomised_R = rng.binomial(answers, exploration.share, repetitions)
    if exploration.kind is Kind.SLICE:
        # Each position shows one item an answer. That two positions never show the same one is left out: it adds less
        # to the errors than two clicks in one answer do.
        even = np.full(depth, 1 / depth)
        shown_RKJ = rng.multinomial(randomised_R[:, None].repeat(depth, axis=1), even)
        shown_RJK = np.swapaxes(shown_RKJ, 1, 2).copy()
        shown_RJK[:, range(depth), range(depth)] += (answers - randomised_R)[:, None]
        return shown_RJK
    # A pair is swapped in the answers of its pairing, by a coin of its own.
    even_R = rng.binomial(randomised_R, 0.5)
    shown_RJK = np.zeros((repetitions, depth, depth), np.int64)
    first_P = np.arange(depth - 1)
    paired_RP = np.where(first_P % 2 == 0, even_R[:, None], (randomised_R - even_R)[:, None])
    swapped_RP = rng.binomial(paired_RP, 0.5)
    shown_RJK[:, first_P, first_P + 1] = shown_RJK[:, first_P + 1, first_P] = swapped_RP
    shown_RJK[:, range(depth), range(depth)] = answers - shown_RJK.sum(axis=2)
    return shown_RJK


def relative_examination(clicks_RJK: np.ndarray, probability_JK: np.ndarray) -> np.ndarray:
    """Estimate the examination of each position relative to the first one: [R, K].

    Two neighbours are compared by the clicks on the ranks that both may show, each weighted
    by one over its propensity; the ratios of neighbours are multiplied. NaN or infinite
    where there are no clicks.

    Args:
        clicks_RJK: clicks on each rank at each position.
        probability_JK: propensity of each rank at each position.
    """
    weighted_RJK = clicks_RJK / np.where(probability_JK > 0, probability_JK, np.inf)
    both_JP = (probability_JK[:, :-1] > 0) & (probability_JK[:, 1:] > 0)
    before_RP = (weighted_RJK[..., :-1] * both_JP).sum(axis=-2)
    behind_RP = (weighted_RJK[..., 1:] * both_JP).sum(axis=-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        product_RP = np.cumprod(behind_RP / before_RP, axis=-1)
    first_R1 = np.ones((*product_RP.shape[:-1], 1))
    told_RK: np.ndarray = np.concatenate([first_R1, product_RP], axis=-1)
    return told_RK


def _error(told_R: np.ndarray) -> float | None:
    return float(told_R.std(ddof=1)) if (np.isfinite(told_R) & (told_R > 0)).all() else None


def _loss(clicks: PlantedClicks, shown_RJK: np.ndarray) -> float:
    """Clicks that the displays cost; by their expectation, which is less noisy than clicks."""
    expected_R = (shown_RJK * clicks.probability_JK).sum(axis=(1, 2))
    answers = shown_RJK[0, :, 0].sum()
    undisturbed = answers * np.trace(clicks.probability_JK)
    return float(1 - expected_R.mean() / undisturbed)
