"""Interventions that a log holds by itself: units that were shown at several positions.

Where two rankers ran, or the competing items change, or a share is randomised, the same
unit is clicked at one position and at another. What differs then is the position alone.

Legend: K codes of the surrounding (positions), G blocks of users, B resamples, E entries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array

from training.data.shown import Shown

STEPS, HALVINGS = 60, 30
"""Limits of Newton's method; 5 to 10 steps are usual."""
PRECISE = 1e-9
"""Change of a log-probability at which it ends."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Swaps:
    """Swaps of a log by pair of positions and block of users."""

    units_GKK: np.ndarray
    """Units that were shown at both, as a number; on the diagonal, units shown there."""
    rate_GKK: np.ndarray
    """Sum of the click rates at the first of both positions, over these units."""

    @property
    def units_KK(self) -> np.ndarray:
        """Units that were shown at both positions."""
        units_KK: np.ndarray = self.units_GKK.sum(axis=0)
        return units_KK


@dataclass(frozen=True, kw_only=True, eq=False)
class Examination:
    """Probability of a look at each position, relative to the first one, with its error."""

    code_K: np.ndarray
    relative_K: np.ndarray
    """Relative to the first code; that one has 1."""
    resampled_BK: np.ndarray
    """The same in resamples of users; not a number where a resample does not connect a position."""

    @property
    def standard_error_K(self) -> np.ndarray:
        """Standard error; infinite where some resample does not connect the position."""
        error_K: np.ndarray = self.resampled_BK.std(axis=0, ddof=1)
        return np.where(np.isnan(error_K), np.inf, error_K)

    def interval_K2(self, level: float = 0.95) -> np.ndarray:
        """Bootstrap interval; from 0 to infinity where it is not known."""
        bounds_2K = np.quantile(self.resampled_BK, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return np.where(np.isnan(bounds_2K.T), [0, np.inf], bounds_2K.T)


def find_swaps(shown: Shown) -> Swaps:
    """Find the units that were shown at two positions, for each pair of them.

    Each unit counts with its click rate at either position. Clicks themselves would not
    do: a ranker that shows good units at the first position most of the time has more of
    their impressions there.
    """
    codes, rows = len(shown.code_K), shown.blocks * len(shown.code_K)
    row_E = shown.block_E * codes + shown.place_E
    at_UK = coo_array((np.ones(len(row_E)), (shown.unit_E, shown.place_E)), (shown.units, codes)).tocsr()
    both = [
        (coo_array((value_E, (row_E, shown.unit_E)), (rows, shown.units)).tocsr() @ at_UK).toarray()
        for value_E in (np.ones(len(row_E)), shown.clicks_E / shown.impressions_E)
    ]
    shape = (shown.blocks, codes, codes)
    return Swaps(units_GKK=both[0].reshape(shape), rate_GKK=both[1].reshape(shape))


def harvest_examination(shown: Shown, *, seed: int, resamples: int = 200) -> Examination:
    """Estimate examination by the all-pairs estimator of intervention harvesting.

    It is right where a click is a look at a relevant item, and the relevance of a unit
    does not depend on where it stands. It needs no randomisation: how often the ranker
    shows a unit where plays no part. [Agarwal et al., WSDM 2019, section 4.2]

    Args:
        shown: impressions by unit and position.
        seed: random seed of the resamples.
        resamples: resamples of the blocks of users.

    Raises:
        ValueError: no position has enough impressions, or swaps do not connect them.
    """
    if not len(shown.code_K):
        raise ValueError(
            f"who looks where is asked, and no {shown.name} has enough impressions to tell: bring that column, wait "
            "for more impressions, randomise a larger share of the answers, or leave examination out of the recipe"
        )
    swaps = find_swaps(shown)
    if len(parts := components(informative(swaps.rate_GKK.sum(axis=0)))) > 1:
        groups = "; ".join(", ".join(str(shown.code_K[place]) for place in part) for part in parts)
        raise ValueError(
            f"no item with a click was shown to the same user in two of these groups of {shown.name}: {groups}; wanted "
            "swaps that connect all of them: randomise the order of a small share of the answers, log two rankers, or "
            "leave examination out of the recipe"
        )
    draw_BG = np.random.default_rng(seed).multinomial(
        shown.blocks, np.full(shown.blocks, 1 / shown.blocks), size=resamples
    )
    weight_BG = np.concatenate([np.ones((1, shown.blocks)), draw_BG])
    log_BK = all_pairs(*(np.tensordot(weight_BG, each, axes=1) for each in (swaps.rate_GKK, swaps.units_GKK)))
    return Examination(code_K=shown.code_K, relative_K=np.exp(log_BK[0]), resampled_BK=np.exp(log_BK[1:]))


def all_pairs(rate_BKK: np.ndarray, units_BKK: np.ndarray) -> np.ndarray:
    """Log-examination relative to the first position, float64 [B, K].

    Maximises Σ_{k≠k'} c_kk' log(p_k r_kk') + (n_kk' - c_kk') log(1 - p_k r_kk') over p and a
    symmetric r, the mean relevance of the units shown at both. One more unit for each pair,
    of its mean click rate, keeps the estimate finite where a position has no click.

    Args:
        rate_BKK: c, sums of click rates at the first of both positions.
        units_BKK: n, numbers of units at both.

    Returns:
        Log-probabilities; not a number where no swaps connect a position with the first.
    """
    pair_BKK = informative(rate_BKK)
    total_BKK = rate_BKK + rate_BKK.swapaxes(1, 2)
    mean_BKK = np.where(pair_BKK, total_BKK / (2 * units_BKK + 1), 0.5)
    click_BKK = np.where(pair_BKK, rate_BKK + mean_BKK, 0)
    count_BKK = np.where(pair_BKK, units_BKK + 1, 0)
    log_BK, relevance_BKK = np.zeros(rate_BKK.shape[:2]), np.log(mean_BKK)
    value_B = _likelihood(click_BKK, count_BKK, log_BK[:, :, None] + relevance_BKK)
    for _ in range(STEPS):
        step_BK, step_BKK = _newton(click_BKK, count_BKK, log_BK[:, :, None] + relevance_BKK)
        size_B = np.ones(len(log_BK))
        for _ in range(HALVINGS):
            new_BK, new_BKK = log_BK + size_B[:, None] * step_BK, relevance_BKK + size_B[:, None, None] * step_BKK
            new_B = _likelihood(click_BKK, count_BKK, new_BK[:, :, None] + new_BKK)
            if (better_B := new_B >= value_B - PRECISE).all():
                break
            size_B = np.where(better_B, size_B, size_B / 2)
        log_BK, relevance_BKK, value_B = new_BK, new_BKK, new_B
        if np.abs(step_BK).max(initial=0) < PRECISE:
            break
    return np.where(_connected(pair_BKK), log_BK - log_BK[:, :1], np.nan)


def informative(rate_BKK: np.ndarray) -> np.ndarray:
    """Pairs of positions with a click on a unit that was shown at both."""
    off_KK = ~np.eye(rate_BKK.shape[-1], dtype=bool)
    return off_KK & (rate_BKK + rate_BKK.swapaxes(-1, -2) > 0)


def components(edge_KK: np.ndarray) -> list[list[int]]:
    """Connected components of a graph, by their first node."""
    reached_KK = _reached(edge_KK)
    return [np.flatnonzero(row).tolist() for place, row in enumerate(reached_KK) if row.argmax() == place]


def _reached(edge_BKK: np.ndarray) -> np.ndarray:
    """Whether each node reaches each other one: squaring doubles the length of the paths."""
    reached_BKK = edge_BKK | np.eye(edge_BKK.shape[-1], dtype=bool)
    for _ in range(max(1, edge_BKK.shape[-1]).bit_length()):
        reached_BKK = reached_BKK.astype(np.float32) @ reached_BKK.astype(np.float32) > 0
    return reached_BKK


def _connected(edge_BKK: np.ndarray) -> np.ndarray:
    """Nodes that reach the first one."""
    connected_BK: np.ndarray = _reached(edge_BKK)[:, 0]
    return connected_BK


def _likelihood(click_BKK: np.ndarray, count_BKK: np.ndarray, log_BKK: np.ndarray) -> np.ndarray:
    """Log-likelihood of each resample; minus infinity where a probability is not below 1."""
    inside_BKK = np.where((log_BKK < 0) | (count_BKK == 0), np.minimum(log_BKK, -1e-300), np.nan)
    value_BKK = click_BKK * inside_BKK + (count_BKK - click_BKK) * np.log(-np.expm1(inside_BKK))
    value_B: np.ndarray = np.where(count_BKK == 0, 0, value_BKK).sum(axis=(1, 2))
    return np.where(np.isnan(value_B), -np.inf, value_B)


def _newton(click_BKK: np.ndarray, count_BKK: np.ndarray, log_BKK: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Newton's step for log p [B, K] and log r [B, K, K].

    Each r stands in two terms only. Without them, what is left for p is the Laplacian of a
    graph whose edges weigh as much as the swaps tell.
    """
    probability_BKK = np.exp(np.minimum(log_BKK, -1e-12))
    left_BKK = 1 - probability_BKK
    slope_BKK = (click_BKK - count_BKK * probability_BKK) / left_BKK
    weight_BKK = (count_BKK - click_BKK) * probability_BKK / left_BKK**2
    back_BKK = weight_BKK.swapaxes(1, 2)
    sum_BKK = weight_BKK + back_BKK
    safe_BKK = np.where(sum_BKK > 0, sum_BKK, 1)
    slopes_BKK = slope_BKK + slope_BKK.swapaxes(1, 2)
    edge_BKK = weight_BKK * back_BKK / safe_BKK
    laplacian_BKK = np.eye(edge_BKK.shape[1]) * edge_BKK.sum(axis=2)[:, :, None] - edge_BKK
    right_BK = (slope_BKK - weight_BKK * slopes_BKK / safe_BKK).sum(axis=2)
    step_BK = np.einsum("bkj,bj->bk", np.linalg.pinv(laplacian_BKK, hermitian=True), right_BK)
    moved_BKK = weight_BKK * step_BK[:, :, None]
    return step_BK, (slopes_BKK - moved_BKK - moved_BKK.swapaxes(1, 2)) / safe_BKK
