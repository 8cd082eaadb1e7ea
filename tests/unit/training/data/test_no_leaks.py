"""No granularity of snapshots lets an interaction see itself, its moment, or later events."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.datasets import tiny
from feature_repo.granularity import DAY
from feature_repo.schema import Entity
from feature_repo.sessions import snapshot_moments
from feature_repo.tables.build import feature_tables
from feature_repo.tables.join import join_as_of
from feature_repo.tables.snapshots import known_before
from orchestration.api.dataset import Dataset
from tests.logs import GRANULARITIES, MOMENTS, known, microseconds, random_events, seen, tables_of
from tests.unit.orchestration.api.api_world import CONFIG, dataset
from training.data.interactions import answered, interactions, query_rows
from training.untrained import start_trial

UNTIL = MOMENTS[0]


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("seed", range(2))
def test_an_interaction_meets_what_was_known_before_its_moment(seed: int, granularity: str) -> None:
    events = random_events(seed, 400)
    tables = tables_of(events, snapshots=granularity, length=200)
    positives = interactions(tables.events, UNTIL, granularity)
    rows = query_rows(positives, tables.users["user_id"], [UNTIL])
    joined = join_as_of(rows, feature_tables(tables, Entity.USER, [UNTIL]), Entity.USER)
    moment = {
        (user, at): row
        for row in joined.iter_rows(named=True)
        for user, at in [(row["user_id"], row["event_timestamp"])]
    }
    assert positives.height > 100
    for user, at, timestamp in positives.select("user_id", "query_time", "timestamp").iter_rows():
        row, before = moment[user, at], seen(events, "user_id", user, at)
        assert at <= timestamp
        assert row["events_all"] == len(before)
        assert set(row["history_items"]) == {event["item_id"] for event in before}
        assert all(time < microseconds(at) for time in row["history_times"])
        assert row["last_event"] == max((microseconds(event["timestamp"]) for event in before), default=None)


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_an_answer_meets_what_was_known_before_its_day_or_its_moment(granularity: str) -> None:
    events = random_events(2, 400)
    # Other users' events as impressions: times at which the user of the answer has no event.
    shown = tables_of(random_events(3, 100)).events.select("user_id", "item_id", "timestamp", "created")
    tables = replace(tables_of(events, snapshots=granularity, length=200), impressions=shown)
    keys = answered(shown, UNTIL, granularity)
    rows = query_rows(interactions(tables.events, UNTIL, granularity), tables.users["user_id"], [UNTIL], keys)
    joined = join_as_of(rows, feature_tables(tables, Entity.USER, [UNTIL]), Entity.USER)
    moment = {(row["user_id"], row["event_timestamp"]): row for row in joined.iter_rows(named=True)}
    before_end = known_before(shown, UNTIL)
    assert before_end.height > 30
    assert keys.height <= before_end.height < shown.height
    for user, time in before_end.select("user_id", "timestamp").iter_rows():
        at = time.replace(hour=0, minute=0, second=0, microsecond=0) if granularity == DAY else time
        before = seen(events, "user_id", user, at)
        row = moment.get((user, at))
        assert row is not None
        assert row["events_all"] == len(before)
        assert row["last_event"] == max((microseconds(e["timestamp"]) for e in before), default=None)


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_every_event_known_before_the_end_is_a_positive_of_its_own_snapshot(granularity: str) -> None:
    events = random_events(1, 400)
    tables = tables_of(events, snapshots=granularity)
    positives = interactions(tables.events, UNTIL, granularity)
    wanted = {(event["user_id"], event["item_id"]) for event in events if known(event) < UNTIL}
    assert set(positives.select("user_id", "item_id").rows()) == wanted
    built = feature_tables(tables, Entity.USER, ())
    for table in built.values():
        missing = positives.join(
            table, left_on=["user_id", "query_time"], right_on=["user_id", "event_timestamp"], how="anti"
        )
        assert missing.is_empty()


def test_finer_snapshots_leave_fewer_histories_empty() -> None:
    """One user takes nine items in one sitting, two of them at once."""
    event = random_events(0, 1)[0]
    minutes = [0, 1, 2, 3, 3, 60, 61, 62, 63]
    events = [
        {**event, "item_id": f"i{n}", "timestamp": UNTIL - timedelta(days=1) + timedelta(minutes=minute)}
        for n, minute in enumerate(minutes)
    ]
    events = [{**each, "created": each["timestamp"]} for each in events]
    seen_items = {}
    for granularity in ("day", "session 30m", "event"):
        tables = tables_of(events, snapshots=granularity, length=20)
        positives = interactions(tables.events, UNTIL, granularity).sort("item_id")
        asked = query_rows(positives, tables.users["user_id"], ())
        joined = join_as_of(asked, feature_tables(tables, Entity.USER, ()), Entity.USER)
        of_time = dict(joined.select("event_timestamp", pl.col("history_items").list.len()).iter_rows())
        seen_items[granularity] = [of_time[time] for time in positives["query_time"]]
    assert seen_items == {
        "day": [0] * 9,
        "session 30m": [0] * 5 + [5] * 4,
        "event": [0, 1, 2, 3, 3, 5, 6, 7, 8],
    }


@pytest.mark.parametrize("granularity", ["day", "session 30m", "event"])
def test_the_future_changes_nothing_that_training_reads(granularity: str) -> None:
    """In two worlds that part at the cut, the frames of the towers are the same."""
    tables = tiny.generate(seed=3)
    tables = replace(tables, schema=replace(tables.schema, snapshots=granularity))
    data = Dataset.of(tables)
    after = pl.col("timestamp") >= data.split.cut
    past, future = tables.events.filter(~after), tables.events.filter(after)
    other = future.with_columns(
        pl.col("item_id", "user_id").shuffle(seed=1), pl.col("timestamp") + timedelta(minutes=7)
    )
    events = pl.concat([past, other.with_columns(created=pl.max_horizontal("timestamp", "created"))])
    changed = Dataset(tables=replace(tables, events=events.sort("timestamp")), split=data.split)
    assert not changed.tables.events.equals(tables.events)
    assert_frame_equal(changed.positives, data.positives)
    assert_frame_equal(changed.queries, data.queries)
    assert_frame_equal(changed.users, data.users)
    assert data.positives["query_time"].n_unique() > (90 if granularity == "day" else 500) / 2


@pytest.mark.parametrize("granularity", ["day", "session 30m", "event"])
def test_a_trial_learns_from_the_snapshots_that_the_schema_declares(granularity: str) -> None:
    tables = dataset().tables
    data = Dataset.of(replace(tables, schema=replace(tables.schema, snapshots=granularity)))
    start, cut = data.split.validation_start, data.split.cut
    frames = data.queries, data.item_snapshots, data.tables.events
    _, trained, _ = start_trial(data.schema, *frames, start, cut, CONFIG, seed=0)
    known = data.tables.events.filter(pl.max_horizontal("timestamp", "created") < start)
    moments = known.select("user_id", moment=snapshot_moments(known, granularity)).unique()
    assert len(trained.user_Q) == moments.height
