"""Confidence intervals of means over users, by the bootstrap.

Legend: Q users, M means, S resamples.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

Interval = tuple[float, float]
"""Lower and upper bound."""
SAMPLES = 1000
"""Number of resamples."""
LEVEL = 0.95
"""Share of the resampled means inside an interval."""
COUNTS_AT_ONCE = 4_000_000
"""Resample counts held at a time: 32 MB in float64."""


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
        rows = min(size, samples - start)
        # Each row counts in a range of its own, so that one bincount serves the block.
        drawn = rng.integers(users, size=(rows, users)) + users * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * users)
        yield counts.reshape(rows, users).astype(np.float64)


def resampled_means(values_QM: np.ndarray, *, seed: int, samples: int = SAMPLES) -> np.ndarray:
    """Means of S resamples of the users, float64 [S, M]; all M share each resample.

    Means that share resamples are paired: the difference of two columns holds the
    resampled means of the differences.

    Args:
        values_QM: one row for each user, one column for each mean.
        seed: random seed; the same seed and number of users give the same resamples.
        samples: number of resamples, S.
    """
    counts = resample_counts(len(values_QM), seed=seed, samples=samples)
    return np.concatenate([counts_sQ @ values_QM / len(values_QM) for counts_sQ in counts])


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
