"""Confidence intervals of means over users, by the bootstrap.

Legend: Q users, G users of a group, M means, S resamples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Interval = tuple[float, float]
"""Lower and upper bound."""
SAMPLES = 1000
"""Number of resamples."""
LEVEL = 0.95
"""Share of the resampled means inside an interval."""
COUNTS_AT_ONCE = 2_000_000
"""Resample counts held at a time: 16 MB in float64."""


@dataclass(frozen=True, kw_only=True, eq=False)
class UserGroup:
    """Some of all users, and the values whose means are resampled."""

    values_GM: np.ndarray
    """One row for each user of the group, one column for each mean."""
    rows_G: np.ndarray | None = None
    """Rows of these users among all; None for all users in their order."""


def resample_counts(users: int, *, seed: int, samples: int = SAMPLES) -> Iterator[np.ndarray]:
    """Counts of each user in resamples of all users, in blocks of float64 [s, Q].

    Each row is one multinomial draw: Q users, drawn with replacement. The size of a
    block bounds the memory for any number of users.

    Args:
        users: number of users, Q.
        seed: random seed; the same seed and number of users give the same resamples.
        samples: number of resamples over all blocks.

    Yields:
        Blocks of counts.
    """
    rng = np.random.default_rng(seed)
    size = max(1, COUNTS_AT_ONCE // users)
    for start in range(0, samples, size):
        counts_sQ = np.empty((min(size, samples - start), users))
        # One resample at a time: its draws and counts stay in the processor's cache.
        for row in counts_sQ:
            row[:] = np.bincount(rng.integers(users, size=users), minlength=users)
        yield counts_sQ


def resampled_means(values_QM: np.ndarray, *, seed: int, samples: int = SAMPLES) -> np.ndarray:
    """Means of S resamples of the users, float64 [S, M]; all M share each resample.

    Means that share resamples are paired: the difference of two columns holds the
    resampled means of the differences.

    Args:
        values_QM: one row for each user, one column for each mean.
        seed: random seed; the same seed and number of users give the same resamples.
        samples: number of resamples, S.
    """
    return resampled_group_means([UserGroup(values_GM=values_QM)], len(values_QM), seed=seed, samples=samples)[0]


def resampled_group_means(
    groups: Sequence[UserGroup], users: int, *, seed: int, samples: int = SAMPLES
) -> list[np.ndarray]:
    """Means of each group in S resamples of all users, float64 [S, M] each.

    All groups share the resamples. The number of a group's users varies with the
    resample, as it would with other users. A group that a resample misses has mean 0
    there, so that two systems do not differ.

    Args:
        groups: users and values of each group.
        users: number of all users, Q.
        seed: random seed; the same seed and number of users give the same resamples.
        samples: number of resamples, S.
    """
    parts: list[list[np.ndarray]] = [[] for _ in groups]
    for counts_sQ in resample_counts(users, seed=seed, samples=samples):
        for group, part in zip(groups, parts, strict=True):
            counts_sG = counts_sQ if group.rows_G is None else counts_sQ[:, group.rows_G]
            part.append(counts_sG @ group.values_GM / np.maximum(counts_sG.sum(axis=1, keepdims=True), 1))
    return [np.concatenate(part) for part in parts]


def percentile_intervals(means_SM: np.ndarray, *, level: float = LEVEL) -> list[Interval]:
    """Percentile intervals of M resampled means [Efron, 1979]."""
    low_M, high_M = np.quantile(means_SM, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return list(zip(low_M.tolist(), high_M.tolist(), strict=True))


def bootstrap_interval(values_Q: np.ndarray, *, seed: int, samples: int = SAMPLES, level: float = LEVEL) -> Interval:
    """Percentile bootstrap interval of one mean over users.

    Args:
        values_Q: one value for each user.
        seed: random seed of the resamples.
        samples: number of resamples.
        level: share of the resampled means inside the interval.
    """
    return percentile_intervals(resampled_means(values_Q[:, None], seed=seed, samples=samples), level=level)[0]


def paired_interval(
    values_Q: np.ndarray, others_Q: np.ndarray, *, seed: int, samples: int = SAMPLES, level: float = LEVEL
) -> Interval:
    """Bootstrap interval of the mean difference `values - others`.

    Args:
        values_Q: one value for each user.
        others_Q: values of the same users in the same order.
        seed: random seed of the resamples.
        samples: number of resamples.
        level: share of the resampled differences inside the interval.

    Raises:
        ValueError: the two have different numbers of users.
    """
    if values_Q.shape != others_Q.shape:
        raise ValueError(f"got {values_Q.shape} and {others_Q.shape} values; wanted the same users for both")
    return bootstrap_interval(values_Q - others_Q, seed=seed, samples=samples, level=level)
