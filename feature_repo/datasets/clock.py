"""The present time against a log: what lies beyond it is no event."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.errors import InputError, bad_input

TOLERANCE = timedelta(days=1)
"""Time that a log may be ahead of the clock: a local time read as UTC is up to 14 hours
ahead."""
MAX_FUTURE_SHARE = 0.01
"""Largest share of events, and of impressions, that are dropped for a time to come."""


def drop_future(tables: Tables, now: datetime) -> Tables:
    """Tables without the events and impressions that lie in the future, and a note.

    Args:
        tables: canonical tables.
        now: present time, UTC without a zone.

    Raises:
        InputError: more than 1 % of the rows lie in the future.
    """
    readings, notes = dict(tables.readings), list(tables.notes)
    kept: dict[str, Any] = {}
    for name in ("events", "impressions"):
        log: pl.DataFrame | None = getattr(tables, name)
        if log is None:
            continue
        kept[name], found = _split(log, name, now)
        notes += found
        if name in readings:
            readings[name] = readings[name].without(log.height - kept[name].height, "after the present time")
    return replace(tables, notes=tuple(notes), readings=readings, **kept) if len(notes) > len(tables.notes) else tables


def check_moment(moment: datetime, now: datetime) -> None:
    """Raise InputError for a moment to stand at that has not come."""
    if moment > now + TOLERANCE:
        raise InputError(
            f"as_of is {moment}, and the present time is {now}: features of a time to come would never be replaced; "
            "name a time that has come, or the present time of the data (--now)"
        )


def _split(log: pl.DataFrame, rows: str, now: datetime) -> tuple[pl.DataFrame, list[str]]:
    """Rows up to now, and a note on the others.

    Args:
        log: events or impressions.
        rows: noun for the rows, for messages.
        now: present time.

    Raises:
        InputError: too large a share lies in the future.
    """
    time = pl.max_horizontal("timestamp", "created")
    future = log.filter(time > now + TOLERANCE).select(time.alias("time"))["time"]
    if future.is_empty():
        return log, []
    share = len(future) / log.height
    what = f"time more than {TOLERANCE.days} day after the present time {now:%Y-%m-%d %H:%M}"
    if share > MAX_FUTURE_SHARE:
        limit = f"{share:.1%} of the {rows}, at most {MAX_FUTURE_SHARE:.0%} may be"
        hint = "correct them, or give the present time of the data (--now)"
        raise bad_input(rows, "timestamp", f"{what}: {limit}; {hint}", len(future), future)
    shown = ", ".join(str(each) for each in future.unique().sort(descending=True).head(3))
    note = f"{rows}: {what}, such as {shown}: {len(future):,} {rows} dropped ({100 * share:.2f} %)"
    return log.filter(time <= now + TOLERANCE), [note]
