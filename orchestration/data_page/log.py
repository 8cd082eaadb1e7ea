"""Events by day, and by user and item."""

from __future__ import annotations

import polars as pl

from orchestration.data_page.columns import quantiles_of

QUARTILES = {"low": 0.25, "middle": 0.5, "high": 0.75}
"""Quantiles of the values of a day."""


def count_days(events: pl.DataFrame) -> pl.DataFrame:
    """Days with an event: day, events, copies, and of values missing, low, middle, high.

    Copies are rows that equal the one before in every column: exact duplicates, because
    canonical events are sorted by all columns.
    """
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in events.columns)
    counts = [pl.len().alias("events"), pl.col("_copy").sum().alias("copies")]
    if "value" in events.columns:
        counts.append(pl.col("value").null_count().alias("missing"))
        counts += [pl.col("value").quantile(share).alias(name) for name, share in QUARTILES.items()]
    marked = events.with_columns(same.alias("_copy"))
    return marked.group_by(pl.col("timestamp").dt.date().alias("day")).agg(counts).sort("day")


def total(counts: pl.Series) -> int:
    """Sum of counts."""
    return int(counts.sum())


def per_entity(ids: pl.Series) -> dict[str, float]:
    """Quantiles of the number of events of a user or an item."""
    return quantiles_of(ids.value_counts(name="_events")["_events"])
