"""The log as training data: one history of its events and of those of the files."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import polars as pl

from feature_repo.datasets.canonical import Tables, profile_features
from feature_repo.datasets.impressions import REQUEST
from feature_repo.event_kinds import Role, of_role
from feature_repo.events.shown import joined, not_answered, with_outcomes
from feature_repo.schema import ITEM_ID, USER_ID, Entity

ID = "event_id"
"""Column of the files' events that holds the ids of the log, where they have it."""
_COPY, _MOMENT = "copy number", "moment of the event"


def with_log(tables: Tables, log: pl.DataFrame, until: datetime) -> Tables:
    """Add the events and impressions of a log to those of the files.

    An event that both have is counted once, see `not_held`; an impression also by its
    request. Read the log after the files, so that it holds every event of both.

    Args:
        tables: canonical tables of the files.
        log: frame of the whole log.
        until: time up to which events of the log are taken.

    Returns:
        The tables with the events. Users and items that no file lists are added to
            theirs; events of others that a list lacks are left out and noted.
    """
    taken = log.filter(pl.col("created") <= until)
    events = once(taken)
    found = events.filter(pl.col("kind").is_in(of_role(tables.schema.kinds, Role.INTERACTION)))
    tables = _with_entities(tables, found)
    rows = _of_known(found, tables)
    new = not_held(rows.select(_columns(tables.events)), tables.events)
    shown = _of_known(events.filter(pl.col("kind").is_in(of_role(tables.schema.kinds, Role.IMPRESSION))), tables)
    note = (
        f"event log: {new.height:,} events added; {rows.height - new.height:,} that the files hold and "
        f"{found.height - rows.height:,} of unlisted users or items left out"
    )
    return replace(
        tables,
        events=in_order(pl.concat([tables.events, new.select(tables.events.columns)])),
        impressions=_with_impressions(tables.impressions, shown, found),
        notes=(*tables.notes, note) if found.height else tables.notes,
        log_until=max(tables.log_until, int(taken["sequence"].max() or 0)),  # type: ignore[arg-type]
    )


def once(log: pl.DataFrame) -> pl.DataFrame:
    """Events of a log, without notes and those whose id an earlier one has.

    Kafka's log may hold an id again that it did not know any more.
    """
    return log.drop_nulls(ID).unique(ID, keep="first", maintain_order=True)


def not_held(rows: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Rows of the log that some events do not hold.

    An event is held by its id where the events have ids, else by user, item and second;
    by the day where the events have dates only. Of several equal ones, as many are held
    as the events have.

    Args:
        rows: events of the log, with `event_id` where the events have it.
        events: canonical events.
    """
    if ID in events.columns:
        rows = rows.join(events.drop_nulls(ID), on=ID, how="anti", maintain_order="left")
        events = events.filter(pl.col(ID).is_null())
    if rows.is_empty():
        return rows
    dates = (events["timestamp"] == events["timestamp"].dt.truncate("1d")).all()
    # Most events of the files are older than all of the log.
    near = events.filter(pl.col("timestamp") >= rows["timestamp"].dt.truncate("1d").min())
    near = near.join(rows, on=[USER_ID, ITEM_ID], how="semi", maintain_order="left")
    key = [USER_ID, ITEM_ID, _MOMENT]
    rows, near = (
        frame.with_columns(pl.col("timestamp").dt.truncate("1d" if dates else "1s").alias(_MOMENT)).with_columns(
            pl.int_range(pl.len()).over(key).alias(_COPY)
        )
        for frame in (rows, near)
    )
    return rows.join(near, on=[*key, _COPY], how="anti", maintain_order="left").drop(_MOMENT, _COPY)


def in_order(events: pl.DataFrame) -> pl.DataFrame:
    """Events in the order of the canonical tables."""
    others = [name for name in events.columns if name not in (USER_ID, ITEM_ID, "timestamp")]
    return events.sort("timestamp", USER_ID, ITEM_ID, *others)


def _columns(events: pl.DataFrame) -> list[str]:
    return events.columns if ID in events.columns else [*events.columns, ID]


def _with_entities(tables: Tables, events: pl.DataFrame) -> Tables:
    """Tables with the users and items of the log that no file could have listed."""
    found = {"users": tables.users, "items": tables.items}
    for entity, name in ((Entity.USER, "users"), (Entity.ITEM, "items")):
        if name not in tables.readings and not profile_features(tables.schema, entity):
            found[name] = pl.concat([found[name], events.select(entity.key)]).unique().sort(entity.key)
    return replace(tables, users=found["users"], items=found["items"])


def _of_known(rows: pl.DataFrame, tables: Tables) -> pl.DataFrame:
    users, items = tables.users.select(USER_ID), tables.items.select(ITEM_ID)
    known = rows.join(users, on=USER_ID, how="semi", maintain_order="left")
    return known.join(items, on=ITEM_ID, how="semi", maintain_order="left")


def _with_impressions(
    impressions: pl.DataFrame | None, shown: pl.DataFrame, taken: pl.DataFrame
) -> pl.DataFrame | None:
    """Impressions of the files, and those of the log with their outcomes.

    Args:
        impressions: canonical impressions; None if the files have none.
        shown: impressions of the log.
        taken: interactions of the log.
    """
    if shown.is_empty():
        return impressions
    rows = with_outcomes(shown, taken)
    if impressions is None:
        return in_order(rows)
    # Rows of a request are held by it alone: another request may show the item in the same second.
    held = impressions.filter(pl.col(REQUEST).is_null()) if REQUEST in impressions.columns else impressions
    return in_order(joined(impressions, not_held(not_answered(rows, impressions), held)))
