"""Arrays of many rows, filled part by part.

Memory holds the arrays, and what encoding needs besides for one part alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

ROWS_AT_ONCE = 16_384
"""Rows of a part: those with histories are wide."""


def filled(parts: Iterable[dict[str, np.ndarray]], rows: int) -> dict[str, np.ndarray]:
    """Concatenate arrays by name without holding all parts.

    Args:
        parts: the arrays of the next rows.
        rows: rows of all parts together.

    Returns:
        By name, one array of all rows.

    Raises:
        ValueError: the parts have more or fewer rows.
    """
    arrays: dict[str, np.ndarray] = {}
    end = 0
    for part in parts:
        start, end = end, end + len(next(iter(part.values())))
        for name, array in part.items():
            whole = arrays.setdefault(name, np.empty((rows, *array.shape[1:]), array.dtype))
            whole[start:end] = array
    if end != rows:
        raise ValueError(f"got {end:,} rows in parts, wanted {rows:,}")
    return arrays
