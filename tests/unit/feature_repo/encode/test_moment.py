"""Moments of encoding: ages are those of the request, not of the row."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from feature_repo.encode import Encoder
from feature_repo.schema import USER_ID, Entity, Feature, Kind
from feature_repo.tables.build import feature_tables
from feature_repo.tables.join import join_as_of
from tests.logs import DAYS, START, USERS, known, random_events, tables_of
from tests.unit.feature_repo.encode.encode_world import DAY, NOW, assert_equal, fitted, random_frame

CLOCK = Feature(name="now", kind=Kind.MOMENT, cycles=("day", "week", "year"))
LATER = [timedelta(0), timedelta(microseconds=1), timedelta(hours=7), timedelta(days=500, hours=3)]


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("seed", range(3))
def test_a_row_at_a_moment_is_what_would_be_computed_at_the_moment(seed: int, later: timedelta) -> None:
    """Facts of events until T, encoded for a request at m > T, and computed anew at m."""
    then = START + timedelta(days=DAYS // 2, hours=7)
    now = then + later
    tables = tables_of([event for event in random_events(seed) if known(event) < then])
    # Counts of a window belong to the time of the row; everything else is a fact and its age.
    features = [f for f in tables.schema.features_of(Entity.USER) if not f.name.endswith(("_7d", "_28d"))] + [CLOCK]
    frames = [
        join_as_of(
            pl.DataFrame({USER_ID: USERS, "event_timestamp": [at] * len(USERS)}).with_columns(
                pl.col("event_timestamp").cast(pl.Datetime("us"))
            ),
            feature_tables(tables, Entity.USER, [at]),
            Entity.USER,
        )
        for at in (then, now)
    ]
    items = tables.items["item_id"]
    encoder = Encoder.fit(USER_ID, features, pl.concat(frames), ids=USERS, items=items)
    wanted = encoder.encode(frames[1])
    assert_equal(encoder.encode(frames[0], now), wanted)
    halves = encoder.encode_parts(frames[0].iter_slices(4), len(USERS), now)
    assert_equal(halves, wanted)
    ages = [name for name, array in encoder.encode(frames[0]).items() if not np.array_equal(array, wanted[name])]
    if later >= timedelta(hours=7):
        assert {"last_event", "history_ages", "history_decayed", "now_cycles"} <= set(ages)


def test_without_a_moment_each_row_has_its_own() -> None:
    frame = random_frame(1)
    rows = [fitted().encode(row, row["event_timestamp"].item()) for row in frame.iter_slices(1)]
    wanted = fitted().encode(frame)
    assert_equal({name: np.concatenate([row[name] for row in rows]) for name in wanted}, wanted)


@pytest.mark.parametrize("early", [timedelta(microseconds=1), DAY])
def test_a_row_newer_than_the_request_is_refused(early: timedelta) -> None:
    frame = random_frame(1)
    newest: datetime = frame["event_timestamp"].max()  # type: ignore[assignment]
    fitted().encode(frame, newest)
    with pytest.raises(ValueError, match="rows are newer than the request"):
        fitted().encode(frame, newest - early)


def test_nothing_at_a_moment_is_nothing() -> None:
    assert len(fitted().encode(random_frame(1).clear(), NOW)["item_id"]) == 0
