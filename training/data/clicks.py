"""Clicks of impressions: those of the data, and else the interactions that followed."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID
from feature_repo.tables.snapshots import known_before

WITHIN = timedelta(hours=24)
"""Longest time from an impression to the interaction that counts as its click, where the
data have no clicks."""
_ROW, _TAKEN = "row of the impression", "time of the interaction"


def with_clicks(impressions: pl.DataFrame, events: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Impressions with a click wherever it can be known.

    An unknown click is whether the user took the item at the impression's time or within
    a day after it. Of events with dates only, those of the impression's day and the next
    count. It stays unknown, null, where that day ends at or after `until`: what was not
    clicked may still be, and those that were clicked already would alone be too many.

    Args:
        impressions: canonical impressions, with or without `click`.
        events: canonical events.
        until: time before which an interaction must have happened and be known.
    """
    if "click" not in impressions.columns:
        impressions = impressions.with_columns(click=pl.lit(None, pl.Boolean))
    if not impressions["click"].null_count():
        return impressions
    numbered = impressions.with_row_index(_ROW)
    unknown = numbered.filter(pl.col("click").is_null()).select(_ROW, USER_ID, ITEM_ID, "timestamp")
    taken = known_before(events, until).select(USER_ID, ITEM_ID, "timestamp").sort("timestamp")
    if (taken["timestamp"] == taken["timestamp"].dt.truncate("1d")).all():
        unknown = unknown.with_columns(pl.col("timestamp").dt.truncate("1d"))
    clicked = (
        unknown.join(taken, on=[USER_ID, ITEM_ID], how="semi")
        .sort("timestamp")
        .join_asof(
            taken.with_columns(pl.col("timestamp").alias(_TAKEN)),
            on="timestamp",
            by=[USER_ID, ITEM_ID],
            strategy="forward",
            tolerance=WITHIN,
            check_sortedness=False,
        )
        .filter(pl.col(_TAKEN).is_not_null())
    )
    over = unknown.filter(pl.col("timestamp") + WITHIN < until)
    taken_or_not = pl.col(_ROW).is_in(clicked[_ROW].implode())
    found = pl.when(pl.col(_ROW).is_in(over[_ROW].implode())).then(taken_or_not)
    return numbered.with_columns(pl.col("click").fill_null(found)).drop(_ROW)
