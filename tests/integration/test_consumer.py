"""Consumer of the event log: online features without skew, whatever is cut off, late or sent again."""

from __future__ import annotations

import pickle
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo import datasets
from feature_repo.errors import InputError
from feature_repo.event_kinds import Role
from feature_repo.events import user_events
from feature_repo.events.consumer import Consumer
from feature_repo.events.event import EventKind
from feature_repo.events.frames import read_frame
from feature_repo.events.history import with_log
from feature_repo.events.sqlite_log import SqliteEventLog
from feature_repo.items.history import with_new_items
from feature_repo.items.item import parse_item
from feature_repo.items.known import NewItemIds
from feature_repo.items.store import ItemStore
from feature_repo.schema import ENTITY_TIME, USER_ID, Entity
from feature_repo.store import sqlite_load
from feature_repo.store.feast_push import open_pusher
from feature_repo.store.push import SqlitePusher
from feature_repo.store.sqlite_online import open_store
from tests.integration.consumer_world import (
    CUT,
    DAY,
    WHOLE,
    World,
    assert_no_skew,
    before,
    finish,
    joined,
    load,
    make_world,
    moments_of,
    odd,
    online_rows,
    replay,
    seen_items,
)
from tests.integration.online_servers import KINDS, client_of


@pytest.mark.parametrize("held", [user_events.HELD, 3])
def test_a_replayed_day_equals_the_point_in_time_join(
    world: World, log: SqliteEventLog, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_events, "HELD", held)
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
        log.append([odd(30, user_id="stranger")])
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
    for each in (*events, replace(events[0], arrived=events[6].arrived), events[6]):
        log.append([each])
        world.consumer(log).step()
    assert_no_skew(world, log)
    assert with_log(world.base.tables, read_frame(log), CUT + timedelta(days=1)).events.height == (
        world.base.tables.events.height + 4
    )


def test_events_of_new_items_count_from_the_moment_on_at_which_the_item_is_there(
    world: World, log: SqliteEventLog, tmp_path: Path
) -> None:
    items, schema = ItemStore(tmp_path / "items.db"), world.base.tables.schema
    new = NewItemIds(items.path)
    consumer = Consumer(log, world.base, world.pusher, schemas=[schema], new_items=new)
    assert "n1" not in new
    items.put([parse_item({"item_id": "n1", "kind": "k1", "title": "new"}, schema)], CUT)
    log.append([odd(1, item_id="n1"), odd(2, item_id="not for sale")])
    while consumer.step():
        pass
    assert "n1" in seen_items(world, ["u003"])["u003"]
    # no skew to the tables of the next run, which have the item
    tables = with_new_items(world.base.tables, items.read(), CUT)
    assert_no_skew(replace(world, base=replace(world.base, tables=tables)), log)


def test_a_new_user_is_known_after_the_first_event(world: World, log: SqliteEventLog) -> None:
    log.append([odd(1, user_id="stranger")])
    assert world.consumer(log).step() == 1
    row = online_rows(world, ["stranger"]).row(0, named=True)
    assert (row["history_items"], row["events_all"], row["region"]) == (["i005"], 1.0, None)
    assert seen_items(world, ["stranger"]) == {"stranger": ["i005"]}


def test_only_interactions_of_the_dataset_change_features(world: World, log: SqliteEventLog) -> None:
    kinds = (("saved", Role.INTERACTION), ("click", Role.IGNORED))
    schema = replace(world.base.tables.schema, kinds=kinds)
    base = replace(world.base, tables=replace(world.base.tables, schema=schema))
    before = online_rows(world, ["u003", "u004"])["events_all"].to_list()
    log.append([odd(1), odd(2, user_id="u004", kind="saved")])
    # The views that were loaded: those of the schema before the kinds were named.
    consumer = Consumer(log, base, world.pusher, schemas=[world.base.tables.schema])
    assert consumer.step() == 2
    assert online_rows(world, ["u003", "u004"])["events_all"].to_list() == [before[0], before[1] + 1]
    assert world.consumer(log).lag == 2  # for other kinds, the events count anew


def test_a_consumer_starts_again_behind_forgotten_events(world: World, log: SqliteEventLog) -> None:
    log.append([odd(1, user_id="stranger"), odd(2), odd(3, item_id="i009")])
    world.consumer(log).step(limit=2)
    log.forget("stranger", CUT + timedelta(hours=4))
    assert world.consumer(log).step() == 1
    assert online_rows(world, ["u003"])["history_items"].item()[0] == "i009"


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
