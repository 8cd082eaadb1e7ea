"""Times as points on circles: hour of the day, day of the week, day of the year.

Legend: N rows, C cycles.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from feature_repo.encode.numbers import MICROSECONDS_PER_DAY
from feature_repo.feature import Feature

_MONDAY = 3 * MICROSECONDS_PER_DAY
"""Microseconds from a Monday to 1970-01-01, a Thursday."""
_EARLIEST, _LATEST = (int(np.datetime64(f"{year}-01-01", "us").astype(np.int64)) for year in (1000, 3000))
"""Years outside are errors, which the expectations report; near the ends of int64 a
calendar breaks down."""


def circled(times_N: np.ndarray, there_N: np.ndarray, cycles: Sequence[str]) -> np.ndarray:
    """Sine and cosine of each cycle's angle: float32 [N, 2C]; (0, 0) for no time.

    A minute before midnight so is near a minute after it. The clock is UTC: another
    zone's is the same circle turned, which the tower's first linear layer can undo.

    Args:
        times_N: microseconds, int64.
        there_N: whether there is a time.
        cycles: names of the cycles.
    """
    moments = np.clip(times_N, _EARLIEST, _LATEST)
    angles_NC = 2 * np.pi * np.stack([phase(moments, cycle) for cycle in cycles], axis=1)
    points_NC2 = np.stack([np.sin(angles_NC), np.cos(angles_NC)], axis=2) * there_N[:, None, None]
    flat: np.ndarray = points_NC2.reshape(len(times_N), 2 * len(cycles))
    return flat.astype(np.float32)


def phase(moments: np.ndarray, cycle: str) -> np.ndarray:
    """Share of a cycle that has passed, float64 [N] in [0, 1).

    Weeks start on Monday. A leap year is a longer circle, so that every January starts
    at 0.
    """
    if cycle == "day":
        return moments % MICROSECONDS_PER_DAY / MICROSECONDS_PER_DAY
    if cycle == "week":
        return (moments + _MONDAY) % (7 * MICROSECONDS_PER_DAY) / (7 * MICROSECONDS_PER_DAY)
    year = moments.astype("datetime64[us]").astype("datetime64[Y]")
    start, end = (each.astype("datetime64[us]").astype(np.int64) for each in (year, year + 1))
    return (moments - start) / (end - start)


def refuse_stopped_clock(moments: np.ndarray, feature: Feature) -> None:
    """Raise ValueError if all training moments lie at one point of a cycle."""
    # User snapshots are taken at the start of a day, item snapshots at that of a week.
    # A query comes at any time, and would meet weights that no training has moved.
    for cycle in feature.cycles:
        if len(moments) > 1 and cycle != "year" and np.ptp(phase(moments, cycle)) == 0 and np.ptp(moments):
            raise ValueError(
                f"moment feature {feature.name!r}: all {len(moments):,} training moments lie at the same point of the "
                f"{cycle}, so nothing can be learned of it; leave {cycle!r} out of its cycles"
            )
