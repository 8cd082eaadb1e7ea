"""Snapshots and the events that each sees, against a search of all pairs."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from feature_repo.schema import Entity
from feature_repo.sessions import day_of
from feature_repo.tables.snapshots import item_snapshots, seen_events, user_snapshots, week_of, with_known
from tests.logs import DAYS, MOMENTS, START, USERS, known, random_events, tables_of

SPANS = {"leave_7d": timedelta(days=7), "leave_28d": timedelta(days=28)}


def day_start(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, moment.day)


def rows(frame: pl.DataFrame) -> list[tuple[str, datetime]]:
    return frame.rows()


@pytest.mark.parametrize("hours", [0, 1, 24 * 6 + 23, 24 * 7, 24 * 59])
def test_a_moment_lies_in_its_day_and_its_week(hours: int) -> None:
    moment = START + timedelta(hours=hours)
    day, week = pl.select(day=day_of(pl.lit(moment)), week=week_of(pl.lit(moment))).row(0)
    assert day <= moment < day + timedelta(days=1)
    assert day == day_start(moment)
    assert week <= moment < week + timedelta(days=7)
    assert week.weekday() == 0 and week == day_start(week)


@pytest.mark.parametrize("seed", range(3))
def test_users_have_their_active_days_and_every_moment(seed: int) -> None:
    events = random_events(seed)
    tables = tables_of(events)
    wanted = {(event["user_id"], day_start(event["timestamp"])) for event in events}
    wanted |= {(user, moment) for user in USERS for moment in MOMENTS}
    assert rows(user_snapshots(tables.events, tables.users, MOMENTS)) == sorted(wanted)


def test_without_moments_users_have_only_their_active_days() -> None:
    tables = tables_of(random_events(0))
    found = user_snapshots(tables.events, tables.users, ())
    assert set(found["user_id"]) == set(tables.events["user_id"])
    assert all(moment == day_start(moment) for moment in found["event_timestamp"])


@pytest.mark.parametrize("seed", range(3))
def test_items_have_the_mondays_after_an_event_up_to_the_last_moment(seed: int) -> None:
    log = with_known(tables_of(random_events(seed)).events)
    found = item_snapshots(log, MOMENTS)
    last_known = dict(log.group_by("item_id").agg(pl.col("known").max()).rows())
    assert rows(found) == sorted(set(rows(found)))
    assert all(moment.weekday() == 0 and moment == day_start(moment) for _, moment in rows(found))
    assert all(moment < last_known[item] + timedelta(weeks=6) for item, moment in rows(found))
    newest = log["known"].max()
    assert item_snapshots(log, ())["event_timestamp"].max() <= newest  # type: ignore[operator]
    assert found["event_timestamp"].max() > newest  # type: ignore[operator]


def test_items_have_no_snapshot_after_everything() -> None:
    log = with_known(tables_of(random_events(0)).events).head(1)
    moment = log["known"].item() + timedelta(days=10)
    assert item_snapshots(log, [moment]).height in (1, 2)
    assert item_snapshots(log, [moment])["event_timestamp"].max() <= moment  # type: ignore[operator]


@pytest.mark.parametrize("entity", list(Entity))
@pytest.mark.parametrize("seed", range(3))
def test_events_enter_and_leave_at_the_right_snapshots(entity: Entity, seed: int) -> None:
    tables = tables_of(random_events(seed))
    log = with_known(tables.events).with_row_index("number")
    both = {Entity.USER: user_snapshots(log, tables.users, MOMENTS[:2]), Entity.ITEM: item_snapshots(log, ())}
    snapshots = rows(both[entity])
    found = {event["number"]: event for event in seen_events(log, both[entity], entity).iter_rows(named=True)}
    assert list(found) == sorted(found)
    never = 0
    for event in log.iter_rows(named=True):
        after = [row for row, (id_, at) in enumerate(snapshots) if id_ == event[entity.key] and at > known(event)]
        if not after:
            assert event["number"] not in found
            never += 1
            continue
        assert found[event["number"]]["enter"] == after[0]
        for name, span in SPANS.items():
            passed = [row for row in after if snapshots[row][1] - span > event["timestamp"]]
            assert found[event["number"]][name] == (passed[0] if passed else None)
    assert 0 < never < log.height / 2


def test_an_event_is_not_seen_at_the_moment_it_becomes_known() -> None:
    moment = START + timedelta(days=DAYS)
    events = [
        {**random_events(0, 1)[0], "timestamp": at, "created": at} for at in (moment, moment - timedelta(hours=1))
    ]
    tables = tables_of(events)
    snapshots = user_snapshots(tables.events, tables.users, [moment, moment + timedelta(days=1)]).filter(
        pl.col("user_id") == events[0]["user_id"]
    )
    found = seen_events(with_known(tables.events), snapshots, Entity.USER)
    at = snapshots["event_timestamp"].gather(found["enter"])
    assert list(zip(found["timestamp"], at, strict=True)) == [
        (moment - timedelta(hours=1), moment),
        (moment, moment + timedelta(days=1)),
    ]
