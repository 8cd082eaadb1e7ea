"""Confidence intervals of means over users, by the bootstrap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    pass
Interval = tuple[float, float]


def bootstrap_intervals(
    values_QM: np.ndarray, *, seed: int, samples: int = 1000, level: float = 0.95
) -> list[Interval]:
    """Percentile bootstrap over users of M means at once, each resample shared by the M columns."""
    rng = np.random.default_rng(seed)
    users = len(values_QM)
    means_SM = np.stack([values_QM[rng.integers(users, size=users)].mean(axis=0) for _ in range(samples)])
    low_M, high_M = np.quantile(means_SM, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return list(zip(low_M.tolist(), high_M.tolist(), strict=True))


def bootstrap_interval(values_Q: np.ndarray, *, seed: int, samples: int = 1000, level: float = 0.95) -> Interval:
    """Percentile bootstrap interval of the mean over users [Efron, 1979]."""
    return bootstrap_intervals(values_Q[:, None], seed=seed, samples=samples, level=level)[0]


def paired_interval(
    values_Q: np.ndarray, others_Q: np.ndarray, *, seed: int, samples: int = 1000, level: float = 0.95
) -> Interval:
    """Bootstrap interval of the mean difference `values - others` over the same users in the same order."""
    if values_Q.shape != others_Q.shape:
        raise ValueError(f"got {values_Q.shape} and {others_Q.shape} values; wanted the same users for both")
    return bootstrap_interval(values_Q - others_Q, seed=seed, samples=samples, level=level)
