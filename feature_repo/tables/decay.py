"""Decayed counts of repeated interactions, as moments that do not change with the time of the query."""

from __future__ import annotations

import numpy as np


def decayed_moments(times: np.ndarray, position: np.ndarray, half_life: float) -> np.ndarray:
    """T_i = h·log2 Σ_{k ≤ i} 2^{t_k/h} of each row i, over the rows of its run up to itself.

    times, position, result: (n,) int64. times and half_life are in one unit. position is the number of rows of the
    same run before the row; the rows of a run lie together, in the order in which they became known.

    An interaction at T alone would count as much as all of them, at any time: Σ_k 2^{−(t − t_k)/h} = 2^{−(t − T)/h}.
    Sums are held relative to each row's own time, so that nothing underflows, and a row's terms and their order are
    of its own past, so that it is the same to the last bit whatever follows. A scan by doubling (Hillis and Steele,
    Data parallel algorithms, 1986): about log2 of the longest run passes.
    """
    excess = np.zeros(len(times))  # (T − t)/h
    step = 1
    while (rows := np.flatnonzero(position >= step)).size:
        age = (times[rows] - times[rows - step]) / half_life
        excess[rows] = np.logaddexp2(excess[rows], excess[rows - step] - age)
        step *= 2
    return times + np.rint(excess * half_life).astype(np.int64)
