"""Drift of features between two samples of the same population.

Population stability index, the symmetrised Kullback-Leibler divergence of two
histograms: Σ (p - q) ln(p / q) over bins [Jeffreys, 1946; as PSI: Siddiqi, Credit Risk
Scorecards, 2006]. Numbers fall into bins with edges at the reference's deciles, categories
are bins of their own, and whoever has no value is a bin as well. Usual readings: below 0.1
stable, above 0.25 another distribution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

QUANTILES = 10
"""Bins of a number."""
CATEGORIES = 100
"""Categories with a bin of their own; the others share one."""
MISSING, OTHERS = "(missing)", "(others)"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Distribution of one feature."""

    rows: int
    edges: tuple[float, ...] | None
    """Inner edges of the bins of a number; None for categories."""
    counts: Mapping[str, int]
    """Rows by bin: its position for numbers, its value for categories."""


def profile(values: pl.Series, like: Profile | None = None) -> Profile:
    """Count a feature by bin.

    Args:
        values: a number, text or list of each row; of lists, the length counts.
        like: profile whose bins are used; None for bins of one's own.
    """
    if isinstance(values.dtype, pl.List):
        values = values.list.len()
    if values.dtype.is_numeric():
        return _numbers(values.cast(pl.Float64).fill_nan(None), like)
    return _categories(values.cast(pl.String), like)


def stability_index(reference: Profile, current: Profile) -> float:
    """Population stability index of two profiles with the same bins.

    Half a row is added to each bin, so that an empty one has no infinite weight.
    """
    bins = _bins(reference, current)
    p, q = (
        (np.array([each.counts.get(name, 0) for name in bins]) + 0.5) / (each.rows + 0.5 * len(bins))
        for each in (reference, current)
    )
    return float(((p - q) * np.log(p / q)).sum())


def profiles(
    frame: pl.DataFrame, names: Sequence[str], like: Mapping[str, Profile] | None = None
) -> dict[str, Profile]:
    """Profiles of some columns.

    Args:
        frame: the features.
        names: columns that are profiled.
        like: profiles whose bins are used, by name; columns without one get bins of their own.
    """
    return {name: profile(frame[name], (like or {}).get(name)) for name in names}


def noise(reference: Profile, current: Profile) -> float:
    """Expected index of two samples of one distribution: (1/n + 1/m) times bins less one.

    The index times the harmonic size is near chi-squared then [Yurdakul, 2018].
    """
    return (len(_bins(reference, current)) - 1) * (1 / max(reference.rows, 1) + 1 / max(current.rows, 1))


def _bins(*profiles: Profile) -> list[str]:
    """Bins that hold a row of any profile."""
    return list(dict.fromkeys(name for each in profiles for name, rows in each.counts.items() if rows))


def _numbers(values: pl.Series, like: Profile | None) -> Profile:
    edges = like.edges if like is not None else _edges(values)
    # Texts before and numbers now: no bin is the same.
    edges = edges if edges is not None else _edges(values)
    known = values.drop_nulls().to_numpy()
    counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1)
    bins = {str(n): int(count) for n, count in enumerate(counts)}
    return Profile(rows=len(values), edges=edges, counts=bins | {MISSING: int(values.null_count())})


def _edges(values: pl.Series) -> tuple[float, ...]:
    """Distinct deciles, and the range: values beyond it have bins of their own.

    Many equal values make fewer bins.
    """
    known = values.drop_nulls()
    if known.is_empty():
        return ()
    found = np.quantile(known.to_numpy(), np.linspace(0, 1, QUANTILES + 1))
    # A bin holds its upper edge, so the least value needs an edge below it.
    found[0] = np.nextafter(found[0], -math.inf)
    return tuple(sorted({float(each) for each in found if math.isfinite(each)}))


def _categories(values: pl.Series, like: Profile | None) -> Profile:
    counts = dict(values.drop_nulls().value_counts(sort=True).rows())
    # Those of the reference have bins; else the commonest, of equal ones the first by name.
    known = like.counts if like is not None else sorted(counts, key=lambda name: (-counts[name], name))[:CATEGORIES]
    bins = {name: counts[name] for name in counts if name in known and name not in (MISSING, OTHERS)}
    others = sum(counts.values()) - sum(bins.values())
    return Profile(rows=len(values), edges=None, counts=bins | {OTHERS: others, MISSING: int(values.null_count())})
