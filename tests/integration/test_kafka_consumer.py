"""The consumer on each event log: no skew, and a kill between the features and the offset costs nothing."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from feature_repo.datasets import tiny
from feature_repo.events.log import EventLog
from feature_repo.events.opening import open_kafka_log
from feature_repo.events.sqlite_log import SqliteEventLog
from feature_repo.schema import USER_ID
from orchestration.run_tables import run_tables
from orchestration.workspace import Workspace
from tests.integration.consumer_world import DAY, World, assert_no_skew, finish, online_rows, replay
from tests.kafka_cluster import mock_cluster
from tests.unit.feature_repo.events.events_world import click


@dataclass(frozen=True)
class Opened:
    """A log, and how another process opens it."""

    log: EventLog
    how: str


@pytest.fixture(params=["sqlite", "kafka"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    if request.param == "sqlite":
        path = tmp_path / "log.db"
        yield Opened(SqliteEventLog(path), str(path))
        return
    with mock_cluster() as cluster:
        for topic in ("gatehouse_world", "gatehouse_world_forgotten"):
            cluster.make(topic)
        settings = {"bootstrap.servers": cluster.servers}
        yield Opened(open_kafka_log(settings, "world"), json.dumps(settings))


KILLED = """
import json, os, pickle, signal, sys
from pathlib import Path
from feature_repo.events.consumer import Consumer
from feature_repo.events.opening import open_kafka_log
from feature_repo.events.sqlite_log import SqliteEventLog
from feature_repo.store.push import SqlitePusher

base, online, how, left = pickle.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
log = open_kafka_log(json.loads(how), "world") if how.startswith("{") else SqliteEventLog(Path(how))
commit = log.commit

def killed(*given):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    commit(*given)

log.commit = killed
consumer = Consumer(log, base, SqlitePusher(online, "world"), schemas=[base.tables.schema])
while consumer.step(limit=5):
    pass
"""


def test_a_consumer_that_is_killed_between_features_and_offset_loses_nothing_and_counts_nothing_twice(
    world: World, opened: Opened, tmp_path: Path
) -> None:
    log = opened.log
    replay(log, DAY)
    (tmp_path / "base").write_bytes(pickle.dumps(world.base))
    users = world.base.tables.users[USER_ID].to_list()
    before = online_rows(world, users)
    for steps in (1, 2):
        # Each of them does the cut-off step once more, and the next is cut off.
        command = [sys.executable, "-c", KILLED, tmp_path / "base", world.online, opened.how, str(steps)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        after = online_rows(world, users)
        assert not after.equals(before)  # the features are written, and the offset is not
        assert world.consumer(log).lag == len(DAY) - 5 * (steps - 1)
        before = after
    finish(world, log)
    assert_no_skew(world, log)


def test_the_offset_lies_in_the_log(world: World, opened: Opened) -> None:
    replay(opened.log, DAY[:10])
    consumer = world.consumer(opened.log)
    consumer.step(limit=4)
    assert opened.log.committed(consumer.name) == 4
    assert world.consumer(opened.log).lag == 6


def test_a_forgotten_user_is_no_lag(world: World, opened: Opened) -> None:
    replay(opened.log, DAY[:10])
    finish(world, opened.log)
    opened.log.forget(DAY[USER_ID][0], DAY["created"][9])
    finish(world, opened.log)


def test_a_run_reads_the_log_of_kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = tiny.generate(seed=0)
    newest = files.events["created"].max()
    with mock_cluster() as cluster:
        for topic in ("mine", "mine_forgotten"):
            cluster.make(topic)
        settings = {"type": "kafka", "bootstrap.servers": cluster.servers, "topic": "mine"}
        monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
        monkeypatch.setenv("GATEHOUSE_EVENT_LOG", json.dumps(settings))
        workspace = Workspace(dataset="tiny", now=newest.isoformat())
        assert run_tables(workspace).events.equals(files.events)
        held = files.events.row(-1, named=True)
        both = {"user_id": held["user_id"], "item_id": held["item_id"], "time": held["timestamp"]}
        log = workspace.settings.open_event_log("tiny")
        log.append([click(1, time=newest, arrived=newest, user_id="u1"), click(2, arrived=newest, **both)])
        found = run_tables(workspace)
        assert found.events.height == files.events.height + 1
        assert found.log_until == 2
        assert found.events.filter(pl.col("timestamp") == newest).height > 0
        log.close()
