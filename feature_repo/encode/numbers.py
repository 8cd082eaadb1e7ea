"""Numbers and ages: standardised, and by quantile.

Legend: N rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from feature_repo.encode.inputs import BUCKETS, MISSING, RESERVED
from feature_repo.feature import Feature, Kind
from feature_repo.schema import ENTITY_TIME

MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Standardisation of a number, and its quantile buckets."""

    mean: float
    """Mean on the feature's scale."""
    std: float
    """Standard deviation on the feature's scale."""
    edges: tuple[float, ...]
    """Inner edges of the quantile buckets."""


def fit_scale(frame: pl.DataFrame, feature: Feature) -> Scale:
    """Scale of a feature's finite values; a neutral one without any."""
    values = numbers(frame, feature)
    values = values[np.isfinite(values)]
    if not len(values):
        return Scale(mean=0.0, std=1.0, edges=())
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BUCKETS + 1)[1:-1]))
    # Dividing by a power of two loses nothing, and the squares of large numbers stay
    # finite.
    _, exponent = np.frexp(np.abs(values).max())
    small = np.ldexp(values, -exponent)
    mean, std = np.ldexp(small.mean(), exponent), np.ldexp(small.std(), exponent)
    # The computed deviation of a constant is noise.
    is_constant = values.min() == values.max() or not std
    return Scale(mean=float(mean), std=1.0 if is_constant else float(std), edges=tuple(edges.tolist()))


def scaled(frame: pl.DataFrame, feature: Feature, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Standardised number and missing flag, float32 [N, 2]; quantile code, int32 [N].

    Args:
        frame: event_timestamp and the column of the feature.
        feature: a number or a time.
        scale: its scale.
    """
    values = numbers(frame, feature)
    missing = np.isnan(values)
    # Numbers that overflow are clipped with the rest.
    with np.errstate(over="ignore"):
        standard = np.where(missing, 0.0, np.clip((values - scale.mean) / scale.std, -5.0, 5.0))
    bucket = np.where(missing, MISSING, RESERVED + np.searchsorted(np.array(scale.edges), values, side="right"))
    return np.stack([standard, missing], axis=1).astype(np.float32), bucket.astype(np.int32)


def numbers(frame: pl.DataFrame, feature: Feature) -> np.ndarray:
    """Values on the feature's scale: float64 [N], NaN for missing ones.

    The number of a timestamp is its age in days at the row's time.
    """
    values = frame[feature.name].cast(pl.Float64)
    if feature.kind is Kind.TIMESTAMP:
        values = (frame[ENTITY_TIME].dt.epoch("us") - values) / MICROSECONDS_PER_DAY
    array = values.fill_null(float("nan")).to_numpy()
    return array if feature.scale == "linear" else np.sign(array) * np.log1p(np.abs(array))
