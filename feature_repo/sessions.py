"""Snapshot of each interaction: the moment whose features it meets in training.

It lies at or before the interaction, and a snapshot sees what was known before it. So no
interaction sees itself, another one of its moment, or a later one.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from feature_repo.granularity import EVENT, Granularity
from feature_repo.schema import USER_ID


def day_of(moment: pl.Expr) -> pl.Expr:
    """Midnight, UTC, at or before a time."""
    return moment.dt.truncate("1d")


def snapshot_moments(events: pl.DataFrame, granularity: str) -> pl.Series:
    """Moment of the user snapshot of each event, in the order of the events.

    Args:
        events: user_id, timestamp, created; with each, all events of its user that were
            known before it.
        granularity: `day` for the start of the event's day, `event` for its own time,
            `session 30m` for the first event of its session.
    """
    found = Granularity.of(granularity)
    if found.gap is not None:
        return _session_starts(events, found.gap)
    return events["timestamp"] if granularity == EVENT else events.select(day_of(pl.col("timestamp"))).to_series()


def _session_starts(events: pl.DataFrame, gap: timedelta) -> pl.Series:
    """Time of the first event of each event's session.

    An event goes on with the session of the user's newest event known before it, if that
    lies at most `gap` back, and else starts one. Events of one time share a session.
    """
    known = events.select(USER_ID, "timestamp", known=pl.max_horizontal("timestamp", "created")).sort("known")
    # What arrives late has started no session that anybody could have known of.
    known = known.select(USER_ID, "known", newest=pl.col("timestamp").cum_max().over(USER_ID))
    times = events.select(USER_ID, "timestamp").unique().sort("timestamp")
    times = times.join_asof(
        known,
        left_on="timestamp",
        right_on="known",
        by=USER_ID,
        strategy="backward",
        allow_exact_matches=False,
        check_sortedness=False,
    ).with_row_index("row")
    before = times.select(USER_ID, "row", newest="timestamp").rename({"row": "before"})
    linked = times.join(before, on=[USER_ID, "newest"], how="left", maintain_order="left").select(
        pl.when(pl.col("timestamp") - pl.col("newest") <= gap).then("before").otherwise("row")
    )
    start = linked.to_series().to_numpy()
    while not np.array_equal(further := start[start], start):  # each round doubles the steps back
        start = further
    starts = times.select(USER_ID, "timestamp", start=pl.col("timestamp").gather(start))
    return events.select(USER_ID, "timestamp").join(
        starts, on=[USER_ID, "timestamp"], how="left", maintain_order="left"
    )["start"]
