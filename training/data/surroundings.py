"""Surroundings of impressions as codes: position, row, column, device, ..."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from feature_repo.datasets.impressions import PLACES, context_of
from training.data.slates import UNKNOWN

RARE = 100
"""Impressions that the last position with a code of its own has at least."""
MAX_CODES = 1_000
"""Most positions with a code of their own."""
_NUMBER = "number of impressions"


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Features of the surroundings, and what their codes stand for."""

    names: tuple[str, ...]
    """Names of the features."""
    values: tuple[tuple[str, ...], ...]
    """Values of each feature by code; the first one, of code 0, is `unknown`."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of codes of each feature."""
        return tuple(map(len, self.values))

    def of(self, name: str) -> tuple[str, ...]:
        """Values of a feature by code."""
        return self.values[self.names.index(name)]


def features_of(impressions: pl.DataFrame) -> tuple[str, ...]:
    """Names of the surroundings that impressions have, position first."""
    columns = impressions.columns
    return *(name for name in PLACES if name in columns), *context_of(columns)


def coded(impressions: pl.DataFrame, features: tuple[str, ...]) -> tuple[Surroundings, np.ndarray]:
    """Code surroundings.

    The code of a position is the position. Positions behind the last one with 100
    impressions share a code: alone, each says too little. Other values have codes by
    frequency, the most frequent one 1.

    Args:
        impressions: impressions to learn from.
        features: names of their surroundings, in the order of the codes.

    Returns:
        What the codes stand for, and the codes: int64 [impressions, features].
    """
    found = [_places(impressions[name]) if name in PLACES else _values(impressions[name]) for name in features]
    codes = [column.fill_null(UNKNOWN).cast(pl.Int64).to_numpy() for _, column in found]
    empty = np.empty((impressions.height, 0), np.int64)
    values = tuple(("unknown", *names) for names, _ in found)
    return Surroundings(names=features, values=values), np.stack(codes, axis=1) if codes else empty


def _places(places: pl.Series) -> tuple[list[str], pl.Series]:
    """Names of the codes of positions, from 1, and the codes."""
    counts = places.drop_nulls().value_counts(name=_NUMBER)
    frequent = counts.filter(pl.col(_NUMBER) >= RARE)[places.name]
    # Where none is frequent, each keeps its code: together they would look like one position.
    last = min(int(frequent.max() or counts[places.name].max() or 0), MAX_CODES)  # type: ignore[arg-type]
    names = [str(place) for place in range(1, last + 1)]
    if int(counts[places.name].max() or 0) > last:  # type: ignore[arg-type]
        names.append(f"{last + 1} and more")
    return names, places.clip(upper_bound=last + 1)


def _values(values: pl.Series) -> tuple[list[str], pl.Series]:
    """Values by frequency, and their codes."""
    counts = values.drop_nulls().value_counts(name=_NUMBER)
    names = counts.sort([_NUMBER, values.name], descending=[True, False])[values.name]
    return names.to_list(), values.replace_strict(names, np.arange(1, len(names) + 1), default=None)
