"""Bands of a number at its quartiles, so that it can be sliced by like a category."""

from __future__ import annotations

import numpy as np
import polars as pl

BANDS = 4
"""Bands of a number; fewer where many values are equal."""
_DIGITS = (6, 9, 17)
"""Significant digits of the names, from few to exact."""


def banded(values: pl.Series) -> pl.Series:
    """Band of each value, as an Enum in ascending order, with names like `[2.5, 7.99)`.

    A band holds its lower edge. Edges are values that occur, so equal values share a band. What is missing or not
    finite has none.
    """
    numbers = values.cast(pl.Float64)
    known = numbers.is_finite().fill_null(False).to_numpy()
    found = numbers.filter(pl.Series(known)).to_numpy()
    edges = _edges(found)
    codes = np.searchsorted(edges, found, side="right")
    names = _names(edges, found)
    bands = np.full(len(values), None, object)
    bands[known] = np.array(names, object)[codes]
    return pl.Series(values.name, bands.tolist(), dtype=pl.Enum(names))


def _edges(known: np.ndarray) -> np.ndarray:
    """Inner edges: distinct quartiles above the least value."""
    distinct = np.unique(known)
    if len(distinct) < 2:
        return distinct[:0]
    quantiles = np.quantile(known, np.arange(1, BANDS) / BANDS, method="higher")
    # Where the least value is that of many, as a price of 0, it has a band of its own.
    return np.unique(np.maximum(quantiles, distinct[1]))


def _names(edges: np.ndarray, known: np.ndarray) -> list[str]:
    """Names of the bands, with as many digits as tell their edges apart."""
    if len(known) == 0:
        return []
    bounds = [float(known.min()), *edges.tolist(), float(known.max())]
    for digits in _DIGITS:
        texts = [f"{each:.{digits}g}" for each in bounds]
        if len(set(texts)) == len(set(bounds)):
            break
    last = len(texts) - 2
    return [f"[{low}, {texts[n + 1]}{']' if n == last else ')'}" for n, low in enumerate(texts[:-1])]
