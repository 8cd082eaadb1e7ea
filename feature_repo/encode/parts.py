"""Arrays of many rows, filled part by part: of what encoding needs besides, there is one part at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

ROWS_AT_ONCE = 16_384


def filled(parts: Iterable[dict[str, np.ndarray]], rows: int) -> dict[str, np.ndarray]:
    """Concatenate arrays by name without holding all parts.

    Args:
        parts: The arrays of the next rows.
        rows: Rows of all parts together.

    Returns:
        By name, one array of all rows.

    Raises:
        ValueError: The parts have more or fewer rows.
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
