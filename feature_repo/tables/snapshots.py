"""Snapshots: times at which features are computed, and the events each may see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from feature_repo.granularity import DAY
from feature_repo.schema import ENTITY_TIME, USER_ID, Entity
from feature_repo.sessions import day_of, snapshot_moments

WINDOWS = {"7d": timedelta(days=7), "28d": timedelta(days=28)}
"""Spans of the windowed features. A window includes the time one span before its
snapshot."""
WEEKS_UNTIL_QUIET = max(WINDOWS.values()) // timedelta(weeks=1) + 1
"""Weekly snapshots after an event became known until every window has passed it."""


def with_known(events: pl.DataFrame) -> pl.DataFrame:
    """Events with `known`: the time from which they may count."""
    # An event that arrives late was unknown to every system until its arrival.
    return events.with_columns(known=pl.max_horizontal("timestamp", "created"))


def known_before(events: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Events, or impressions, that happened and were known before a moment."""
    return events.filter(pl.max_horizontal("timestamp", "created") < moment)


def week_of(moment: pl.Expr) -> pl.Expr:
    """Monday, 00:00, at or before a time: the item snapshot of an interaction."""
    return moment.dt.truncate("1w")


def user_snapshots(
    events: pl.DataFrame,
    users: pl.DataFrame,
    moments: Sequence[datetime],
    granularity: str = DAY,
    since: datetime | None = None,
    impressions: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Snapshots of all interactions and answers, and every user at each of `moments`.

    Args:
        events: events with `known`.
        users: canonical users.
        moments: times at which every user has a snapshot.
        granularity: day, session with a gap, or event.
        since: time since which an event of a snapshot became known, without those of answers; None for all snapshots.
        impressions: canonical impressions of these users; None for none.

    Returns:
        user_id and event_timestamp, sorted by both.
    """
    active = events.select(USER_ID, snapshot_moments(events, granularity).alias(ENTITY_TIME))
    if since is not None:
        active = active.filter(events["known"] >= since)
    at = pl.DataFrame({ENTITY_TIME: list(moments)}, schema={ENTITY_TIME: pl.Datetime("us")})
    everyone = users.select("user_id").join(at, how="cross")
    answered = [answer_snapshots(impressions, granularity)] if impressions is not None and since is None else []
    return pl.concat([active, everyone, *answered]).unique().sort("user_id", ENTITY_TIME)


def answer_snapshots(impressions: pl.DataFrame, granularity: str = DAY) -> pl.DataFrame:
    """Snapshots that the answers of impressions meet: the start of their day, or their own time.

    Each impression has its own, so that an answer of which only a part was known at some
    moment meets one as well.

    Args:
        impressions: canonical impressions.
        granularity: day, session with a gap, or event; an answer starts no session.

    Returns:
        user_id and event_timestamp, each pair once.
    """
    time = pl.col("timestamp")
    return impressions.select(USER_ID, (day_of(time) if granularity == DAY else time).alias(ENTITY_TIME)).unique()


def item_snapshots(events: pl.DataFrame, moments: Sequence[datetime]) -> pl.DataFrame:
    """Mondays after an event at which the item's statistics may still change.

    The last Monday is at or before the newest event or, if that is later, the last of
    `moments`.

    Args:
        events: events with `known`.
        moments: times that snapshots must reach.

    Returns:
        item_id and event_timestamp, sorted by both.
    """
    seen = events.select("item_id", monday=week_of(pl.col("known"))).unique()
    weeks = [
        seen.select("item_id", (pl.col("monday") + timedelta(weeks=n)).alias(ENTITY_TIME))
        for n in range(1, WEEKS_UNTIL_QUIET + 1)
    ]
    last = pl.concat([events["known"], pl.Series(list(moments), dtype=pl.Datetime("us"))]).max()
    return pl.concat(weeks).unique().filter(pl.col(ENTITY_TIME) <= last).sort("item_id", ENTITY_TIME)


def seen_events(events: pl.DataFrame, snapshots: pl.DataFrame, entity: Entity) -> pl.DataFrame:
    """Events that a snapshot of their key sees, with the rows of these snapshots.

    `enter` is the first snapshot after the event became known. `leave_7d` and
    `leave_28d` are the first whose window has passed it, null if none has. An event
    that becomes known after its window has passed leaves where it enters.

    Args:
        events: events with `known`.
        snapshots: keys and event_timestamps, sorted by both.
        entity: users or items.
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
    """Row of each event's first snapshot strictly after a time; null without one.

    Args:
        events: events with `known`.
        snapshots: keys and event_timestamps, sorted by both.
        entity: users or items.
        moment: the time.
    """
    if snapshots[entity.key].is_unique().all():  # a single look-up, without a sort of all events
        alone = snapshots.select(entity.key, snapshot=ENTITY_TIME).with_row_index("row")
        found = events.select(entity.key, moment=moment).join(alone, on=entity.key, how="left", maintain_order="left")
        return found.select(row=pl.when(pl.col("snapshot") > pl.col("moment")).then("row"))["row"]
    asked = events.select(pl.col(entity.key), moment.alias(ENTITY_TIME)).with_row_index("event").sort(ENTITY_TIME)
    rows = snapshots.select(entity.key, ENTITY_TIME).with_row_index("row").sort(ENTITY_TIME)
    found = asked.join_asof(
        rows, on=ENTITY_TIME, by=entity.key, strategy="forward", allow_exact_matches=False, check_sortedness=False
    )
    return found.sort("event")["row"]
