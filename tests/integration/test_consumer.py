"""Consumer of the event log: online features without skew, whatever is cut off, late or sent again."""

from __future__ import annotations

import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo import datasets
from feature_repo.datasets.stored import write_tables
from feature_repo.errors import InputError, NewerOnlineError
from feature_repo.events import follow as follow_module
from feature_repo.events.base import write_base
from feature_repo.events.consumer import Consumer
from feature_repo.events.event import Event, EventKind
from feature_repo.events.follow import follow
from feature_repo.events.frames import read_frame
from feature_repo.events.history import with_log
from feature_repo.events.sqlite_log import SqliteEventLog
from feature_repo.schema import ENTITY_TIME, USER_ID, Entity
from feature_repo.store import sqlite_load
from feature_repo.store.feast_push import open_pusher
from feature_repo.store.push import SqlitePusher
from feature_repo.store.sqlite_online import open_store
from tests.integration.consumer_world import (
    World,
    before,
    joined,
    load,
    make_world,
    moments_of,
    online_rows,
    replay,
    seen_items,
)
from tests.integration.online_servers import KINDS, client_of
from tests.worlds import START, taste_groups

WHOLE = taste_groups(users=40, items=24, days=40, per_day=40)
CUT = START + timedelta(days=39)
DAY = WHOLE.events.filter(pl.col("timestamp") >= CUT)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(WHOLE, CUT, tmp_path_factory.mktemp("world"))


@pytest.fixture
def world(loaded: World, tmp_path: Path) -> World:
    return loaded.copy(tmp_path / "home")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteEventLog]:
    log = SqliteEventLog(tmp_path / "log.db")
    yield log
    log.close()


def assert_no_skew(world: World, log: SqliteEventLog, days: int = 40) -> None:
    """Every online row is the one of a point-in-time join over files and log, at the time of the row."""
    whole = with_log(world.base.tables, read_frame(log), datetime.max)
    asked = moments_of(world, log)
    online, wanted = online_rows(world, asked[USER_ID].to_list()), joined(whole, asked, days)
    assert_frame_equal(online.select(pl.exclude(ENTITY_TIME)), wanted.select(pl.exclude(ENTITY_TIME)), rel_tol=1e-12)
    assert (online[ENTITY_TIME] == asked[ENTITY_TIME].dt.truncate("1s")).all()
    items = {user: sorted(set(found)) for user, found in whole.events.group_by(USER_ID).agg("item_id").iter_rows()}
    seen = seen_items(world, list(items))
    assert seen == items


def finish(world: World, log: SqliteEventLog) -> None:
    consumer = world.consumer(log)
    while consumer.step():
        pass
    assert consumer.lag == 0


def test_a_replayed_day_equals_the_point_in_time_join(world: World, log: SqliteEventLog) -> None:
    replay(log, DAY)
    consumer, sizes = world.consumer(log), random.Random(0)
    while consumer.step(limit=sizes.randrange(1, 9)):
        pass
    assert_no_skew(world, log)
    asked = moments_of(world, log)
    online = online_rows(world, asked[USER_ID].to_list())
    wanted = joined(WHOLE, asked)  # the files of a run that has the day, made without the log
    assert_frame_equal(online.select(pl.exclude(ENTITY_TIME)), wanted.select(pl.exclude(ENTITY_TIME)), rel_tol=1e-12)


@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_a_replayed_day_leaves_no_skew_on_a_server(kind: str, tmp_path: Path, log: SqliteEventLog) -> None:
    """And a load of older data leaves what was pushed since."""
    client_of(kind)
    with KINDS[kind][1]() as server:
        world = make_world(WHOLE, CUT, tmp_path, server.online)
        replay(log, DAY)
        consumer = world.consumer(log)
        while consumer.step(limit=9):
            pass
        assert_no_skew(world, log)
        load(world.base.tables, world.base.as_of, world.home, tmp_path / "again", server.online)
        assert_no_skew(world, log)
        log.append([odd(1, user_id="stranger")])
        assert consumer.step()
        store = open_store(world.base.tables.schema, world.home, online=server.online)
        assert "stranger" in store.known(Entity.USER)  # so a run that does not list her deletes her
        with pytest.raises(InputError, match="were never loaded"):
            open_pusher("world", tmp_path / "none", server.online).push(consumer._changes({"u003": CUT}), CUT)


@pytest.mark.slow
def test_a_replayed_day_of_completejourney_equals_the_point_in_time_join(tmp_path: Path, log: SqliteEventLog) -> None:
    cut = datetime(2017, 12, 30)
    whole = before(datasets.load("completejourney"), cut + timedelta(days=1))
    world = make_world(whole, cut, tmp_path)
    replay(log, whole.events.filter(pl.col("timestamp") >= cut))
    consumer = world.consumer(log)
    while consumer.step(limit=100):
        pass
    assert log.newest() > 1_000
    assert_no_skew(world, log, days=1)


def odd(number: int, **changes: Any) -> Event:
    arrived = CUT + timedelta(hours=number, milliseconds=137)
    event = Event(
        event_id=f"odd {number}", kind=EventKind.CLICK, user_id="u003", item_id="i005", time=arrived, arrived=arrived
    )
    return replace(event, **changes)


def test_late_repeated_unknown_and_foreign_events_leave_no_skew(world: World, log: SqliteEventLog) -> None:
    held = world.base.tables.events.row(-1, named=True)
    events = [
        odd(1),
        odd(2, time=CUT - timedelta(days=2), user_id="u007"),
        odd(3, user_id=held["user_id"], item_id=held["item_id"], time=held["timestamp"] + timedelta(milliseconds=3)),
        odd(4, item_id="not for sale", user_id="u008"),
        odd(5, kind=EventKind.IMPRESSION, position=1, request_id="r", user_id="u009"),
        odd(6, time=CUT + timedelta(hours=6, seconds=50), item_id="i002"),
        odd(7, kind=EventKind.VIEW, item_id="i003", value=2.0, basket_id="b"),
    ]
    for each in (*events, events[0], events[6]):
        log.append([each])
        world.consumer(log).step()
    assert_no_skew(world, log)
    assert with_log(world.base.tables, read_frame(log), CUT + timedelta(days=1)).events.height == (
        world.base.tables.events.height + 4
    )


def test_a_new_user_is_known_after_the_first_event(world: World, log: SqliteEventLog) -> None:
    log.append([odd(1, user_id="stranger")])
    assert world.consumer(log).step() == 1
    row = online_rows(world, ["stranger"]).row(0, named=True)
    assert (row["history_items"], row["events_all"], row["region"]) == (["i005"], 1.0, None)
    assert seen_items(world, ["stranger"]) == {"stranger": ["i005"]}


def test_a_reader_sees_a_user_before_a_batch_or_after_it_in_all_views(
    world: World, log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay(log, DAY.filter(pl.col(USER_ID) == "u003"))
    before, found, stored = online_rows(world, ["u003"]), [], sqlite_load._stored

    def spied(change: sqlite_load.Change) -> Iterator[tuple[Any, ...]]:
        yield from stored(change)
        found.append(online_rows(world, ["u003"]))

    monkeypatch.setattr(sqlite_load, "_stored", spied)
    finish(world, log)
    assert len(found) == 3
    assert all(each.equals(before) for each in found)
    assert not online_rows(world, ["u003"]).equals(before)


@pytest.mark.parametrize("breaks", ["before the rows", "before the offset"])
def test_a_step_that_breaks_is_done_again(
    world: World, log: SqliteEventLog, breaks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the same consumer, and by one that starts anew."""
    replay(log, DAY)
    consumer = world.consumer(log)
    where = (SqlitePusher, "push") if breaks == "before the rows" else (log, "commit")

    def fail(*_: Any) -> None:
        raise OSError("cut off")

    for anew in (False, True):
        consumer.step(limit=5)
        with monkeypatch.context() as patched:
            patched.setattr(*where, fail)
            for _ in range(2):
                with pytest.raises(OSError, match="cut off"):
                    consumer.step(limit=7)
        consumer = world.consumer(log) if anew else consumer
        consumer.step(limit=7)
    finish(world, log)
    assert_no_skew(world, log)


def test_a_load_of_older_data_leaves_what_was_pushed_since(world: World, log: SqliteEventLog, tmp_path: Path) -> None:
    replay(log, DAY[:10])
    finish(world, log)
    pushed = DAY[:10][USER_ID].unique().to_list()
    before = online_rows(world, pushed)
    moved = replace(world.base.tables, users=world.base.tables.users.with_columns(region=pl.lit("moved")))
    load(moved, world.base.as_of, world.home, tmp_path / "again")
    after = online_rows(world, world.base.tables.users[USER_ID].to_list())
    assert set(after["region"]) == {"moved"}  # nobody pushes a profile
    kept = after.filter(pl.col(USER_ID).is_in(pushed)).sort(USER_ID)
    assert_frame_equal(kept.drop("region"), before.sort(USER_ID).drop("region"))
    assert_no_skew(replace(world, base=replace(world.base, tables=moved)), log)


def test_a_load_of_newer_data_wins_and_ends_the_consumer_of_the_older(
    world: World, log: SqliteEventLog, tmp_path: Path
) -> None:
    replay(log, DAY[:10])
    consumer = world.consumer(log)
    finish(world, log)
    whole = with_log(world.base.tables, read_frame(log), CUT + timedelta(days=1))
    as_of = whole.events["created"].max() + timedelta(microseconds=1)  # type: ignore[operator]
    newer = replace(whole, events=whole.events.with_columns(value=pl.col("value") + 1))
    load(newer, as_of, world.home, tmp_path / "newer")
    log.append([odd(20)])
    before = online_rows(world, ["u003"])
    with pytest.raises(NewerOnlineError, match="go on from the data of that load"):
        consumer.step()
    with pytest.raises(NewerOnlineError):
        world.consumer(log)
    assert online_rows(world, ["u003"]).equals(before)
    later = replace(world, base=replace(world.base, key="newer", tables=newer, as_of=as_of))
    assert later.consumer(log).lag == 1
    finish(later, log)
    assert_no_skew(later, log)


def test_features_that_were_never_loaded_are_not_pushed(world: World, log: SqliteEventLog, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="were never loaded"):
        replace(world, home=tmp_path).consumer(log)
    other = replace(world.base.tables.schema, seen_items_may_return=False)
    changed = replace(world.base, tables=replace(world.base.tables, schema=other))
    with pytest.raises(InputError, match="were never loaded"):
        replace(world, base=changed).consumer(log)


def note(world: World, folder: Path) -> None:
    """Write the base of a world as a run does."""
    folder.mkdir()
    write_tables(world.base.tables, folder)
    write_base(world.home, "world", key=world.base.key, folder=folder, as_of=world.base.as_of)


def wait_until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not met():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_loop_goes_on_from_the_data_of_a_new_load(
    world: World, log: SqliteEventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even before the next event: the new data lacks what came while its run was at work."""
    monkeypatch.setattr(follow_module, "CHECK_SECONDS", 0.05)
    schemas, stop = [world.base.tables.schema], threading.Event()
    told: list[str] = []
    note(world, tmp_path / "first")
    make = partial(Consumer.open, log, world.home, "world", schemas=schemas)
    loop = threading.Thread(target=follow, args=(make, stop, told.append))
    loop.start()
    try:
        replay(log, DAY[:10])
        wait_until(lambda: log.committed(world.consumer(log).name) == log.newest())
        whole = with_log(world.base.tables, read_frame(log), DAY["created"][4])
        newer = replace(world.base, key="newer", tables=whole, as_of=DAY["created"][4] + timedelta(microseconds=1))
        later = replace(world, base=newer)
        load(whole, newer.as_of, world.home, tmp_path / "newer")
        note(later, tmp_path / "second")
        for events in (DAY[10:10], DAY[10:]):
            replay(log, events)
            wait_until(lambda: log.committed(later.consumer(log).name) == log.newest())
    finally:
        stop.set()
        loop.join()
    assert told
    assert all("go on from the data of that load" in each for each in told)
    assert_no_skew(later, log)


CALLS = 200_000
"""Calls of functions in three batches of five events, about."""
KILLED = """
import os, pickle, signal, sys
from pathlib import Path
from feature_repo.events.consumer import Consumer
from feature_repo.events.sqlite_log import SqliteEventLog
from feature_repo.store.push import SqlitePusher

base, (online, log), left = pickle.loads(Path(sys.argv[1]).read_bytes()), map(Path, sys.argv[2:4]), int(sys.argv[4])

def count(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

consumer = Consumer(SqliteEventLog(log), base, SqlitePusher(online, "world"), schemas=[base.tables.schema])
print(consumer.lag, flush=True)
sys.setprofile(count)
while consumer.step(limit=5):
    pass
"""


def test_a_consumer_that_is_killed_anywhere_loses_nothing_and_counts_nothing_twice(
    world: World, log: SqliteEventLog, tmp_path: Path
) -> None:
    replay(log, DAY)
    (tmp_path / "base").write_bytes(pickle.dumps(world.base))
    points, lags = random.Random(1), [len(DAY)]
    for _ in range(4):
        command = [
            sys.executable,
            "-c",
            KILLED,
            tmp_path / "base",
            world.online,
            log.path,
            str(points.randrange(1, CALLS)),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        lags.append(int(ended.stdout))
    assert lags == sorted(lags, reverse=True)
    assert 0 < lags[-1] < len(DAY)
    finish(world, log)
    assert_no_skew(world, log)
