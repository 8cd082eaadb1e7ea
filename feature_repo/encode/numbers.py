"""Numbers and ages: standardised, and by quantile.

Legend: N rows, F numbers and ages of an entity, B edges of buckets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from feature_repo.encode.inputs import BUCKETS, MISSING, RESERVED
from feature_repo.encode.values import Values
from feature_repo.feature import Feature, Kind

MICROSECONDS_PER_DAY = 86_400_000_000
NUMBERS = (Kind.NUMERIC, Kind.TIMESTAMP)
"""Kinds that are encoded as numbers; that of a timestamp is its age in days."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Standardisation of a number, and its quantile buckets."""

    mean: float
    """Mean on the feature's scale."""
    std: float
    """Standard deviation on the feature's scale."""
    edges: tuple[float, ...]
    """Inner edges of the quantile buckets."""


class Numbers:
    """Numbers and ages of an entity, encoded together: few calls whatever their number.

    Args:
        features: the numbers and timestamps.
        scales: their scales by name.
    """

    def __init__(self, features: Iterable[Feature], scales: Mapping[str, Scale]) -> None:
        self.features = sorted(features, key=_place)
        own = [scales[feature.name] for feature in self.features]
        self._mean_F1 = np.array([[scale.mean] for scale in own])
        self._std_F1 = np.array([[scale.std] for scale in own])
        # Numbers have up to B edges. No number lies beyond those that are not there.
        self._edges_BF1 = np.full((max((len(scale.edges) for scale in own), default=0), len(own), 1), np.nan)
        for number, scale in enumerate(own):
            self._edges_BF1[: len(scale.edges), number, 0] = scale.edges

    def encode(self, values: Values[Any]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Encode all rows.

        Returns:
            By name, the standardised number and whether it is missing, float32 [N, 2];
            and the quantile code, int32 [N].
        """
        if not self.features:
            return {}
        values_FN = on_scale(values, self.features)
        missing_FN = np.isnan(values_FN)
        number_FN2: np.ndarray = np.empty((*values_FN.shape, 2), np.float32)
        # Numbers that overflow are clipped with the rest.
        with np.errstate(over="ignore"):
            standard_FN = (values_FN - self._mean_F1) / self._std_F1
        number_FN2[:, :, 0] = np.minimum(np.maximum(standard_FN, -5.0), 5.0)
        number_FN2[missing_FN, 0] = 0.0
        number_FN2[:, :, 1] = missing_FN
        bucket_FN = (self._edges_BF1 <= values_FN).sum(0, dtype=np.int32)
        bucket_FN += RESERVED
        bucket_FN[missing_FN] = MISSING
        return {feature.name: (number_FN2[row], bucket_FN[row]) for row, feature in enumerate(self.features)}


def _place(feature: Feature) -> tuple[bool, bool]:
    """Sort key: plain numbers, logs, and ages, which are logs too."""
    return feature.kind is Kind.TIMESTAMP, feature.scale == "log"


def fit_scale(values: Values[Any], feature: Feature) -> Scale:
    """Scale of a feature's finite values; a neutral one without any."""
    (found,) = on_scale(values, [feature])
    found = found[np.isfinite(found)]
    if not len(found):
        return Scale(mean=0.0, std=1.0, edges=())
    edges = np.unique(np.quantile(found, np.linspace(0, 1, BUCKETS + 1)[1:-1]))
    # Dividing by a power of two loses nothing, and the squares of large numbers stay
    # finite.
    _, exponent = np.frexp(np.abs(found).max())
    small = np.ldexp(found, -exponent)
    mean, std = np.ldexp(small.mean(), exponent), np.ldexp(small.std(), exponent)
    # The computed deviation of a constant is noise.
    is_constant = found.min() == found.max() or not std
    return Scale(mean=float(mean), std=1.0 if is_constant else float(std), edges=tuple(edges.tolist()))


def on_scale(values: Values[Any], features: Sequence[Feature]) -> np.ndarray:
    """Values on the features' scales: float64 [F, N], NaN for missing ones.

    The number of a timestamp is its age in days at the row's time.

    Args:
        values: columns of the features.
        features: numbers and timestamps, in the order of `_place`.
    """
    found_FN = np.array([values.floats(values.column(feature.name)) for feature in features])
    ages = sum(feature.kind is Kind.TIMESTAMP for feature in features)
    logs = sum(feature.scale == "log" for feature in features)
    if ages:
        found_FN[-ages:] = (values.now_N - found_FN[-ages:]) / MICROSECONDS_PER_DAY
    if logs:
        found_FN[-logs:] = np.sign(found_FN[-logs:]) * np.log1p(np.abs(found_FN[-logs:]))
    return found_FN
