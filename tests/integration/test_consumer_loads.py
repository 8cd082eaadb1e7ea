"""Consumer of the event log beside the loads of runs: who wins, and who goes on from where."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.datasets.stored import write_tables
from feature_repo.errors import InputError, NewerOnlineError
from feature_repo.events import follow as follow_module
from feature_repo.events.base import write_base
from feature_repo.events.consumer import EVENTS_AT_ONCE, Consumer
from feature_repo.events.follow import follow
from feature_repo.events.frames import read_frame
from feature_repo.events.history import with_log
from feature_repo.events.sqlite_log import SqliteEventLog
from feature_repo.schema import USER_ID
from tests.integration.consumer_world import (
    CUT,
    DAY,
    World,
    assert_no_skew,
    finish,
    load,
    odd,
    online_rows,
    replay,
)


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


def test_views_that_come_later_take_the_events_since_the_load(world: World, log: SqliteEventLog) -> None:
    """Another release is promoted: its views hold what was loaded, and nothing since."""
    replay(log, DAY[:10])
    others = [world.base.tables.schema]
    alone = Consumer(log, world.base, world.pusher, schemas=others, seen=False)
    while alone.step():
        pass
    assert world.consumer(log).lag == log.newest()
    finish(world, log)
    assert_no_skew(world, log)


class Paced:
    """Consumer of many events that notes when its batches begin."""

    def __init__(self, sizes: list[int], stop: threading.Event) -> None:
        self.sizes, self.stop, self.begun = sizes, stop, list[float]()

    def step(self) -> int:
        self.begun.append(time.monotonic())
        if len(self.begun) == len(self.sizes):
            self.stop.set()
        return self.sizes[len(self.begun) - 1]


def test_small_batches_keep_a_distance_and_a_full_one_is_followed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch has a cost of its own: without a distance, few users would keep a core busy."""
    monkeypatch.setattr(follow_module, "BATCH_SECONDS", 0.5)
    stop = threading.Event()
    consumer = Paced([1, EVENTS_AT_ONCE, EVENTS_AT_ONCE, 7], stop)
    follow(lambda: consumer, stop, pytest.fail)  # type: ignore[arg-type, return-value]
    after_one, after_full, after_another = (b - a for a, b in pairwise(consumer.begun))
    assert after_one >= 0.5
    assert max(after_full, after_another) < 0.5
