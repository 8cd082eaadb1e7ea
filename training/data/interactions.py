"""Interactions with their user and item snapshots, and the rows to join for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from feature_repo.granularity import DAY
from feature_repo.schema import ENTITY_TIME
from feature_repo.sessions import snapshot_moments
from feature_repo.tables.snapshots import answer_snapshots, known_before, week_of
from training.data.snapshots import Frame


def interactions(events: pl.DataFrame, until: datetime, granularity: str = DAY) -> pl.DataFrame:
    """Positives known before `until`: one row per user, snapshot and item.

    Args:
        events: canonical events.
        until: end of the training part.
        granularity: granularity of the user snapshots.

    Returns:
        user_id, query_time (the user snapshot), item_id, item_time (start of the week:
            the item snapshot), timestamp (of the first event), weight (1, because an
            item's repetition within a snapshot is one decision), and with events that
            have it value (the snapshot's sum, null if none is known).
    """
    value = ["value"] if "value" in events.columns else []
    known = known_before(events, until)
    return (
        known.with_columns(query_time=snapshot_moments(known, granularity))
        .group_by("user_id", "item_id", "query_time")
        .agg(pl.col("timestamp").min(), *map(_sum_of_known, value))
        .with_columns(item_time=week_of(pl.col("timestamp")), weight=pl.lit(1.0, pl.Float32))
        .select("user_id", "query_time", "item_id", "item_time", "timestamp", "weight", *value)
        .sort("user_id", "query_time", "item_id")
    )


def _sum_of_known(name: str) -> pl.Expr:
    """Sum of the known values, null without any."""
    # Sorted, because the sum of floats depends on their order.
    known = pl.col(name).drop_nulls().sort()
    return pl.when(known.len() > 0).then(known.sum()).alias(name)


def new_since(positives: pl.DataFrame, events: pl.DataFrame, since: datetime, granularity: str = DAY) -> pl.DataFrame:
    """Positives that were none before a time, of which an update learns.

    Args:
        positives: `interactions` until a later time.
        events: canonical events.
        since: the time.
        granularity: granularity of the user snapshots.
    """
    former = interactions(events, since, granularity)
    return positives.join(former, on=["user_id", "item_id", "query_time"], how="anti", maintain_order="left")


def answered(impressions: pl.DataFrame, until: datetime, granularity: str = DAY) -> pl.DataFrame:
    """Keys of the user snapshots that answers known before `until` meet.

    Args:
        impressions: canonical impressions.
        until: end of the training part.
        granularity: granularity of the user snapshots.

    Returns:
        user_id and event_timestamp.
    """
    return answer_snapshots(known_before(impressions, until), granularity)


def query_rows(
    positives: pl.DataFrame, users: pl.Series, moments: Sequence[datetime], answers: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Keys of the user snapshots to join.

    Args:
        positives: `interactions`, whose snapshots are among them.
        users: ids of all users.
        moments: times at which every user has a snapshot.
        answers: `answered`, which are among them too; None for none.

    Returns:
        user_id and event_timestamp.
    """
    asked = positives.select("user_id", pl.col("query_time").alias(ENTITY_TIME))
    return _rows(asked if answers is None else pl.concat([asked, answers]), users, moments)


def item_rows(positives: pl.DataFrame, corpus: pl.Series, moments: Sequence[datetime]) -> pl.DataFrame:
    """Keys of the item snapshots to join.

    Args:
        positives: `interactions`, whose snapshots are among them.
        corpus: ids of all items.
        moments: times in whose weeks every item has a snapshot.

    Returns:
        item_id and event_timestamp.
    """
    weeks = [pl.select(week_of(pl.lit(moment, pl.Datetime("us")))).item() for moment in moments]
    return _rows(positives.select("item_id", pl.col("item_time").alias(ENTITY_TIME)), corpus, weeks)


def at(frame: Frame, moment: datetime, *, week: bool = False) -> pl.DataFrame:
    """Joined rows of one moment, sorted by key.

    Args:
        frame: joined snapshots.
        moment: time of the snapshots.
        week: whether snapshots are weekly.

    Returns:
        The rows.
    """
    snapshot = pl.select(week_of(pl.lit(moment, pl.Datetime("us")))).item() if week else moment
    found = frame.lazy().filter(pl.col(ENTITY_TIME) == snapshot).collect()
    return found.sort(found.columns[0])


def _rows(asked: pl.DataFrame, ids: pl.Series, moments: Sequence[datetime]) -> pl.DataFrame:
    """Snapshot keys asked for, and those of every id at every moment, sorted."""
    key = asked.columns[0]
    at_moments = pl.DataFrame({ENTITY_TIME: list(moments)}, schema={ENTITY_TIME: pl.Datetime("us")})
    everyone = ids.alias(key).to_frame().join(at_moments, how="cross")
    return pl.concat([asked, everyone]).unique().sort(key, ENTITY_TIME)
