"""Clicks of impressions: those of the data, and else the interactions that followed; and the other interactions."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID
from feature_repo.tables.outcomes import shown_before
from feature_repo.tables.snapshots import known_before

WITHIN = timedelta(hours=24)
"""Longest time from an impression to the interaction that counts as its click, where the
data have no clicks."""
# Names with spaces, which no column of the data can have.
_ROW, _TAKEN, _EVENT = "row of the impression", "time of the interaction", "row of the interaction"


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
    taken = known_before(events, until)
    unknown = _on_days_of(taken, numbered.filter(pl.col("click").is_null()).select(_ROW, USER_ID, ITEM_ID, "timestamp"))
    clicked = _followed(unknown, taken)
    over = unknown.filter(pl.col("timestamp") + WITHIN < until)
    taken_or_not = pl.col(_ROW).is_in(clicked[_ROW].implode())
    found = pl.when(pl.col(_ROW).is_in(over[_ROW].implode())).then(taken_or_not)
    return numbered.with_columns(pl.col("click").fill_null(found)).drop(_ROW)


def beside_clicks(events: pl.DataFrame, impressions: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Interactions known before `until` that are no click of an impression.

    The click of a clicked impression is the first interaction of the same user and item at
    its time or within a day after it. An interaction with a value, such as a purchase, is
    never one; a value of 0 is none. Where the data do not say what was clicked, the clicks
    of the last day are not known yet, see `with_clicks`.

    Args:
        events: canonical events.
        impressions: canonical impressions.
        until: time before which both must have happened and be known.
    """
    known = known_before(events, until).with_row_index(_EVENT)
    clicks = known.filter(pl.col("value").fill_null(0) == 0) if "value" in known.columns else known
    clicked = with_clicks(shown_before(impressions, until), clicks, until).filter("click")
    found = _followed(_on_days_of(known, clicked.select(USER_ID, ITEM_ID, "timestamp")), clicks)
    return known.join(found, on=_EVENT, how="anti", maintain_order="left").drop(_EVENT)


def _on_days_of(taken: pl.DataFrame, shown: pl.DataFrame) -> pl.DataFrame:
    """Impressions with the start of their day for a time, if the interactions have dates only."""
    dates = (taken["timestamp"] == taken["timestamp"].dt.truncate("1d")).all()
    return shown.with_columns(pl.col("timestamp").dt.truncate("1d")) if dates else shown


def _followed(shown: pl.DataFrame, taken: pl.DataFrame) -> pl.DataFrame:
    """Impressions whose user took the item in time, with the other columns of the first such interaction."""
    return (
        shown.join(taken, on=[USER_ID, ITEM_ID], how="semi")
        .sort("timestamp")
        .join_asof(
            taken.sort("timestamp").with_columns(pl.col("timestamp").alias(_TAKEN)),
            on="timestamp",
            by=[USER_ID, ITEM_ID],
            strategy="forward",
            tolerance=WITHIN,
            check_sortedness=False,
        )
        .filter(pl.col(_TAKEN).is_not_null())
    )
