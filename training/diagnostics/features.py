"""Identification through features: different items with similar features at two positions.

Without swaps, a model that knows relevance as a function of features can still compare
positions, if it is right and the features at the positions overlap.
[Hager et al., arXiv 2506.20501]

Legend: S answers, L items, F features, K positions, P impressions, W weights, G blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from training.data.interventions import Examination
from training.data.shown import BLOCKS

BINS, SAMPLE = 20, 2_000
"""Bins of a histogram, and impressions of a position that are sorted into them."""
AVERAGED = 5_000
"""Impressions over which click rates are averaged."""
STEPS = 50
"""Limit of Newton's method."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Impressions:
    """Impressions with features."""

    feature_PF: np.ndarray
    place_P: np.ndarray
    """Place of the position among those that are compared."""
    click_P: np.ndarray
    user_P: np.ndarray
    """User of the impression."""
    code_K: np.ndarray
    """Codes of the positions."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Conditional:
    """Effect of positions beside the features, by a logistic regression."""

    examination: Examination
    """Mean click rate of the same impressions at each position, relative to the first."""
    p_value: float
    """Probability of as large an effect by chance, for any dependence within users."""
    correlation: float
    """Correlation of position and the logit of the relevance, as the features tell it."""


def overlap(impressions: Impressions, *, seed: int) -> np.ndarray:
    """Overlap of the features at each pair of positions, from 0 to 1: float64 [K, K].

    The common area of two histograms: the smallest one over the features, and over the
    direction that tells both positions apart best (Fisher's linear discriminant). Sets
    that differ in no feature and in no mean, such as the two colours of a chessboard,
    pass as overlapping.
    """
    rng, codes = np.random.default_rng(seed), len(impressions.code_K)
    samples = []
    for place in range(codes):
        rows = np.flatnonzero(impressions.place_P == place)
        samples.append(impressions.feature_PF[rng.permutation(rows)[:SAMPLE]])
    overlap_KK = np.eye(codes)
    for one, other in combinations(range(codes), 2):
        overlap_KK[one, other] = overlap_KK[other, one] = _common(samples[one], samples[other])
    return overlap_KK


def conditional_effect(impressions: Impressions, *, seed: int, resamples: int = 200) -> Conditional:
    """Fit clicks by features and position: logit = w·x + θ_k.

    Args:
        impressions: impressions at positions whose features overlap.
        seed: random seed of the blocks of users and of the draws.
        resamples: draws of the positions' weights, for intervals.
    """
    codes, features = len(impressions.code_K), impressions.feature_PF.shape[1]
    place_PK = impressions.place_P[:, None] == np.arange(1, codes)
    input_PW = np.column_stack([impressions.feature_PF, np.ones(len(place_PK)), place_PK]).astype(float)
    weight_W, covariance_WW, blocks = _logistic(input_PW, impressions.click_P, _blocks(impressions.user_P, seed))
    theta_K, covariance_KK = weight_W[features + 1 :], covariance_WW[features + 1 :, features + 1 :]
    statistic, left = float(theta_K @ np.linalg.pinv(covariance_KK) @ theta_K), blocks - len(theta_K)
    rng = np.random.default_rng(seed)
    logit_P = input_PW[:, : features + 1] @ weight_W[: features + 1]
    some_P = rng.permutation(logit_P)[:AVERAGED]
    draw_BK = rng.multivariate_normal(theta_K, covariance_KK, size=resamples, method="eigh")
    rate_BK = np.stack([_sigmoid(some_P + row[:, None]).mean(axis=1) for row in np.vstack([theta_K, draw_BK])])
    relative_BK = np.column_stack([np.ones(len(rate_BK)), rate_BK / _sigmoid(some_P).mean()])
    return Conditional(
        examination=Examination(code_K=impressions.code_K, relative_K=relative_BK[0], resampled_BK=relative_BK[1:]),
        p_value=float(stats.f.sf(statistic * left / (len(theta_K) * blocks), len(theta_K), left)) if left > 0 else 1.0,
        correlation=float(np.corrcoef(impressions.place_P, logit_P)[0, 1]) if np.ptp(logit_P) > 0 else 0.0,
    )


def _common(one_PF: np.ndarray, other_PF: np.ndarray) -> float:
    """Smallest common area of the histograms of two samples."""
    both_PF = np.concatenate([one_PF, other_PF])
    within_FF = np.atleast_2d(
        np.cov(np.concatenate([one_PF - one_PF.mean(axis=0), other_PF - other_PF.mean(axis=0)]).T)
    )
    direction_F = np.linalg.pinv(within_FF, hermitian=True) @ (one_PF.mean(axis=0) - other_PF.mean(axis=0))
    common = 1.0
    for value_P in [*both_PF.T, both_PF @ direction_F]:
        edges = np.unique(np.quantile(value_P, np.linspace(0, 1, BINS + 1)[1:-1], method="lower"))
        bin_P = np.searchsorted(edges, value_P, side="left")
        shares = [
            np.bincount(part, minlength=len(edges) + 1) / len(part) for part in np.split(bin_P, [len(one_PF)])
        ]  # fmt: skip
        common = min(common, float(np.minimum(*shares).sum()))
    return common


def _logistic(input_PW: np.ndarray, click_P: np.ndarray, block_P: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Weights, their covariance by the blocks' residuals (sandwich), and the blocks."""
    # A weak prior keeps the weight of a position that is never clicked finite.
    prior_WW = 1e-3 * np.eye(input_PW.shape[1])
    weight_W = np.zeros(input_PW.shape[1])
    for _ in range(STEPS):
        rate_P = _sigmoid(input_PW @ weight_W)
        hessian_WW = (input_PW * (rate_P * (1 - rate_P))[:, None]).T @ input_PW + prior_WW
        step_W = np.linalg.solve(hessian_WW, input_PW.T @ (click_P - rate_P) - prior_WW @ weight_W)
        weight_W = weight_W + np.clip(step_W, -2, 2)
        if np.abs(step_W).max() < 1e-8:
            break
    blocks = int(block_P.max()) + 1
    score_PW = input_PW * (click_P - rate_P)[:, None]
    score_GW = np.stack([np.bincount(block_P, column, minlength=blocks) for column in score_PW.T], axis=1)
    bread_WW = np.linalg.inv(hessian_WW)
    return weight_W, bread_WW @ (score_GW.T @ score_GW) @ bread_WW, blocks


def _blocks(user_P: np.ndarray, seed: int) -> np.ndarray:
    """Random block of each impression's user."""
    users, row_P = np.unique(user_P, return_inverse=True)
    block_of_user = np.random.default_rng(seed).permutation(len(users)) % min(BLOCKS, len(users))
    blocks_P: np.ndarray = block_of_user[row_P]
    return blocks_P


def _sigmoid(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))
