"""Impressions of the event log, with what came of them."""

from __future__ import annotations

import polars as pl

from feature_repo.datasets.impressions import KEYS, OPTIONAL, PLACES, REQUEST, ordered
from feature_repo.schema import ITEM_ID, USER_ID

_ANSWERED = [USER_ID, ITEM_ID, REQUEST]


def with_outcomes(shown: pl.DataFrame, taken: pl.DataFrame) -> pl.DataFrame:
    """Canonical impressions of events of the log.

    An impression is clicked if an interaction names its request, user and item; the sum
    of their values is the reward. Where no interaction names a request, clicks are
    unknown. Columns that no row has are left out.

    Args:
        shown: impressions of the log.
        taken: interactions of the log.
    """
    valued = pl.col("value").is_not_null()
    told = taken[REQUEST].count() > 0  # else the clients name none, and their clicks are not missing
    outcomes = (
        taken.drop_nulls(REQUEST)
        .group_by(_ANSWERED)
        .agg(
            click_known=pl.col("created").min(),
            # Sorted, because the sum of floats depends on their order.
            reward=pl.when(valued.any()).then(pl.col("value").drop_nulls().sort().sum()),
            reward_known=pl.col("created").filter(valued).max(),
        )
    )
    rows = shown.join(outcomes, on=_ANSWERED, how="left", maintain_order="left").with_columns(
        pl.when(pl.col(REQUEST).is_not_null() & told).then(pl.col("click_known").is_not_null()).alias("click")
    )
    found = [name for name in OPTIONAL if name in rows.columns and rows[name].count()]
    return ordered(rows.select(*KEYS, *found).cast({name: OPTIONAL[name] for name in found if name in PLACES}))


def joined(impressions: pl.DataFrame, more: pl.DataFrame) -> pl.DataFrame:
    """Impressions of two sources, with null for what one of them lacks."""
    return ordered(pl.concat([impressions, more], how="diagonal"))


def not_answered(rows: pl.DataFrame, impressions: pl.DataFrame) -> pl.DataFrame:
    """Impressions of answers that others do not hold by their request."""
    if REQUEST not in rows.columns or REQUEST not in impressions.columns:
        return rows
    return rows.join(impressions.drop_nulls(REQUEST), on=_ANSWERED, how="anti", maintain_order="left")
