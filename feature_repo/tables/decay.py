"""Decayed counts of interactions, as moments that no time of a query changes."""

from __future__ import annotations

import numpy as np


def decayed_moments(times: np.ndarray, position: np.ndarray, half_life: float) -> np.ndarray:
    """Moments T_i = h·log2 Σ_{k ≤ i} 2^{t_k/h}, over each row and its run before it.

    One interaction at T would count as much as all of them at any time: Σ_k 2^{−(t −
    t_k)/h} = 2^{−(t − T)/h}. The sum is a scan by doubling (Hillis and Steele, Data
    parallel algorithms, 1986), of about log2 of the longest run passes.

    Args:
        times: t, int64 [n], in the unit of `half_life`.
        position: number of earlier rows of the same run, int64 [n]. The rows of a run
            lie together, in the order in which they became known.
        half_life: h.

    Returns:
        T, int64 [n].
    """
    # (T − t)/h: relative to the row's own time nothing underflows. Terms and their
    # order are of the row's own past, so that later rows do not change a bit of it.
    excess = np.zeros(len(times))
    step = 1
    while (rows := np.flatnonzero(position >= step)).size:
        age = (times[rows] - times[rows - step]) / half_life
        excess[rows] = np.logaddexp2(excess[rows], excess[rows - step] - age)
        step *= 2
    return times + np.rint(excess * half_life).astype(np.int64)


def running_max(values: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Largest value of each row and its run before it, by the scan of `decayed_moments`.

    Args:
        values: values [n].
        position: number of earlier rows of the same run [n]; runs lie together.
    """
    largest, step = values.copy(), 1
    while (rows := np.flatnonzero(position >= step)).size:
        largest[rows] = np.maximum(largest[rows], largest[rows - step])
        step *= 2
    return largest
