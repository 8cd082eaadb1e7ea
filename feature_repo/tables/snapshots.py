"""Snapshots: the moments at which a user's or an item's features are computed, and which events each one may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from feature_repo.schema import ENTITY_TIME, Entity

WINDOWS = {"7d": timedelta(days=7), "28d": timedelta(days=28)}
"""Spans of the windowed features. A snapshot's window reaches back to and includes the moment one span before it."""
WEEKS_UNTIL_QUIET = max(WINDOWS.values()) // timedelta(weeks=1) + 1
"""Weekly snapshots after an event became known until every window has passed it."""


def with_known(events: pl.DataFrame) -> pl.DataFrame:
    """Events with `known`: the moment from which an event may be used, max(timestamp, created)."""
    return events.with_columns(known=pl.max_horizontal("timestamp", "created"))


def known_before(events: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Events, or impressions, that happened and were known before a moment."""
    return events.filter(pl.max_horizontal("timestamp", "created") < moment)


def day_of(moment: pl.Expr) -> pl.Expr:
    """The midnight at or before the moment: the snapshot that an interaction sees of its user."""
    return moment.dt.truncate("1d")


def week_of(moment: pl.Expr) -> pl.Expr:
    """The Monday, 00:00, at or before the moment: the weekly snapshot that an interaction sees of its item."""
    return moment.dt.truncate("1w")


def user_snapshots(events: pl.DataFrame, users: pl.DataFrame, moments: Sequence[datetime]) -> pl.DataFrame:
    """user_id, event_timestamp: the start of each active day of each user, and every user at each of `moments`."""
    active = events.select("user_id", day_of(pl.col("timestamp")).alias(ENTITY_TIME))
    at = pl.DataFrame({ENTITY_TIME: list(moments)}, schema={ENTITY_TIME: pl.Datetime("us")})
    everyone = users.select("user_id").join(at, how="cross")
    return pl.concat([active, everyone]).unique().sort("user_id", ENTITY_TIME)


def item_snapshots(events: pl.DataFrame, moments: Sequence[datetime]) -> pl.DataFrame:
    """item_id, event_timestamp: the Mondays after an event at which the item's statistics may still change.

    events: with `known`. The last Monday is at or before the newest event or, if that is later, the last of `moments`.
    """
    seen = events.select("item_id", monday=week_of(pl.col("known"))).unique()
    weeks = [
        seen.select("item_id", (pl.col("monday") + timedelta(weeks=n)).alias(ENTITY_TIME))
        for n in range(1, WEEKS_UNTIL_QUIET + 1)
    ]
    last = pl.concat([events["known"], pl.Series(list(moments), dtype=pl.Datetime("us"))]).max()
    return pl.concat(weeks).unique().filter(pl.col(ENTITY_TIME) <= last).sort("item_id", ENTITY_TIME)


def seen_events(events: pl.DataFrame, snapshots: pl.DataFrame, entity: Entity) -> pl.DataFrame:
    """The events that some snapshot of their key sees, and which: rows of `snapshots`, sorted by key and time.

    `enter` is the first snapshot that sees the event, the first after it became known; `leave_7d` and `leave_28d` are
    the first of those whose window has passed it, null if none has. An event that is known only after its window has
    passed leaves where it enters.
    """
    rows = {"enter": pl.col("known")} | {f"leave_{span}": pl.col("timestamp") + w for span, w in WINDOWS.items()}
    found = {name: _first_after(events, snapshots, entity, moment) for name, moment in rows.items()}
    leaves = [pl.col(f"leave_{span}") for span in WINDOWS]
    return (
        events.with_columns(**found)
        .drop_nulls("enter")
        .with_columns(pl.when(leave.is_not_null()).then(pl.max_horizontal(leave, "enter")) for leave in leaves)
    )


def _first_after(events: pl.DataFrame, snapshots: pl.DataFrame, entity: Entity, moment: pl.Expr) -> pl.Series:
    """Per event: row (UInt32) of its key's first snapshot strictly after `moment`; null where there is none."""
    asked = events.select(pl.col(entity.key), moment.alias(ENTITY_TIME)).with_row_index("event").sort(ENTITY_TIME)
    rows = snapshots.select(entity.key, ENTITY_TIME).with_row_index("row").sort(ENTITY_TIME)
    found = asked.join_asof(
        rows, on=ENTITY_TIME, by=entity.key, strategy="forward", allow_exact_matches=False, check_sortedness=False
    )
    return found.sort("event")["row"]
