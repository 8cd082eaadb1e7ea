"""Event log in SQLite: order, one row for each id, group commit, and what happens when the disk fails."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from feature_repo.errors import InputError
from feature_repo.events import sqlite_file, sqlite_log
from feature_repo.events.log import EventConflictError, EventLogError, LogBusyError, user_digest
from feature_repo.events.sqlite_log import SqliteEventLog
from tests.unit.feature_repo.events.events_world import NOW, click


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteEventLog]:
    log = SqliteEventLog(tmp_path / "events" / "shop.db")
    yield log
    log.close()


def test_many_callers_share_a_commit_and_each_gets_its_own_numbers(
    log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups, started, numbered = [], Barrier(16, timeout=5), sqlite_log._numbered

    def slow(connection: sqlite3.Connection, calls: list[Any]) -> Any:
        groups.append(len(calls))
        time.sleep(0.05)
        return numbered(connection, calls)

    def call(number: int) -> list[int]:
        started.wait()
        wrong = [replace(click(number), item_id="other")] if number == 7 else []
        return log.append([click(number), click(20 + number), *wrong])

    monkeypatch.setattr(sqlite_log, "_numbered", slow)
    with ThreadPoolExecutor(16) as pool:
        calls = [pool.submit(call, number) for number in range(16)]
    assert sum(groups) == 16
    assert len(groups) < 8
    assert isinstance(calls[7].exception(), EventConflictError)
    stored = {each.event.event_id: each.sequence for each in log.read(0, 100)}
    assert sorted(stored.values()) == list(range(1, 31))
    for number in set(range(16)) - {7}:
        assert calls[number].result() == [stored[f"e{number}"], stored[f"e{20 + number}"]]


def test_a_commit_is_on_the_disk(log: SqliteEventLog) -> None:
    """A loss of power cannot be tested here; what decides it can: 3 is EXTRA."""
    log.append([click(1)])
    assert log._writer is not None
    pragmas = {name: log._writer.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 3}


def test_a_forgotten_user_leaves_no_byte_and_no_number_is_given_again(log: SqliteEventLog) -> None:
    log.append([click(1), click(2, user_id="deleted person"), click(3), click(4, user_id="deleted person")])
    assert log.count("deleted person") == 2
    assert log.forget("deleted person", NOW + timedelta(seconds=5)) == 2
    assert log.forget("deleted person", NOW) == 0
    assert log.count("deleted person") == 0
    assert [each.sequence for each in log.read(0, 10)] == [1, 3]
    assert log.newest() == 3
    log.close()
    assert not any(b"deleted person" in path.read_bytes() for path in log.path.parent.iterdir())
    assert [each.sequence for each in log.forgotten(0)] == [5, 6]
    assert log.forgotten(5) == log.forgotten(0)[1:]
    assert {each.digest for each in log.forgotten(0)} == {user_digest("deleted person")}
    again = log.append([click(2), click(4), click(9, user_id="deleted person")])
    assert again == [7, 8, 9]
    assert log.count("deleted person") == 1


def test_no_byte_is_left_on_any_page_of_the_file(log: SqliteEventLog) -> None:
    log.append([click(number, user_id="deleted person", item_id="i" * 99) for number in range(300)])
    log.forget("deleted person", NOW)
    log.close()
    assert not any(b"deleted person" in path.read_bytes() for path in log.path.parent.iterdir())


def test_more_than_may_wait_is_refused_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, numbered, started = (
        SqliteEventLog(tmp_path / "log.db", max_waiting=3),
        sqlite_log._numbered,
        Barrier(2, timeout=5),
    )
    with pytest.raises(InputError, match="4 events at once; wanted at most 3"):
        log.append([click(number) for number in range(4)])

    def held(connection: sqlite3.Connection, calls: list[Any]) -> Any:
        started.wait()
        started.wait()
        return numbered(connection, calls)

    monkeypatch.setattr(sqlite_log, "_numbered", held)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(log.append, [click(1), click(2)])
        started.wait()
        with pytest.raises(LogBusyError, match="2 events wait"):
            log.append([click(3), click(4)])
        started.wait()
        assert first.result() == [1, 2]
    monkeypatch.undo()
    assert log.append([click(3), click(4), click(5)]) == [3, 4, 5]


def test_a_full_disk_is_told_and_leaves_nothing_half_written(log: SqliteEventLog) -> None:
    log.append([click(1)])
    assert log._writer is not None
    log._writer.execute("PRAGMA max_page_count = 8")
    with pytest.raises(EventLogError, match="the disk is full; free some space"):
        log.append([click(number, item_id="i" * 200) for number in range(2, 500)])
    assert log.newest() == 1
    assert log.append([click(2)]) == [2]


def test_a_log_that_another_process_holds_is_told_as_busy(log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "WAIT_SECONDS", 0.1)
    with closing(sqlite3.connect(log.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogBusyError, match="another process has held it"):
            log.append([click(1)])
    assert log.append([click(1)]) == [1]


def test_a_damaged_file_and_a_foreign_one_are_told(tmp_path: Path) -> None:
    damaged, foreign = tmp_path / "damaged.db", tmp_path / "foreign.db"
    damaged.write_bytes(b"no database" * 1_000)
    with pytest.raises(EventLogError, match="the file is no database; restore a copy"):
        SqliteEventLog(damaged)
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE events (a)")
    with pytest.raises(EventLogError, match="or no event log"):
        SqliteEventLog(foreign)


WRITER = """
import sys
from pathlib import Path
from feature_repo.events.sqlite_log import SqliteEventLog
from tests.unit.feature_repo.events.events_world import NOW, click
log = SqliteEventLog(Path(sys.argv[1]))
for number in range(1_000_000):
    print(*log.append([click(2 * number, arrived=NOW), click(2 * number + 1, arrived=NOW)]), flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "log.db", 0
    for pause in (0.0, 0.013, 0.05):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            told = [writer.stdout.readline()]
            time.sleep(pause)
            writer.kill()
            told += writer.stdout.read().splitlines(keepends=True)
        numbers = [int(number) for line in told if line.endswith("\n") for number in line.split()]
        acknowledged = max(acknowledged, *numbers)
        ids = [each.event.event_id for each in SqliteEventLog(path).read(0, 10**6)]
        assert len(ids) >= acknowledged > 0
        assert len(ids) % 2 == 0  # each call wholly or not at all
        assert ids == [f"e{number}" for number in range(len(ids))]


def test_a_file_of_a_former_version_gets_the_new_columns_and_stays_readable_for_that_version(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    log = SqliteEventLog(path)
    log.append([click(1)])
    log.close()
    with closing(sqlite_file.connect(path)) as connection:
        for name in ("row", "column", "randomised"):
            connection.execute(f"ALTER TABLE events DROP COLUMN {name}")
    opened = [SqliteEventLog(path) for _ in range(2)]
    shown = replace(click(2), row=3, column=4, randomised="slice")
    assert opened[0].append([click(1), shown]) == [1, 2]
    assert [each.event for each in opened[1].read(0, 10)] == [click(1), shown]
    rest = "kind, user_id, item_id, time"
    with closing(sqlite_file.connect(path)) as connection:  # as the former version writes
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        copied = f"SELECT 3, arrived + 1, 'e3', {rest} FROM events WHERE sequence = 2"
        connection.execute(f"INSERT INTO events (sequence, arrived, event_id, {rest}) {copied}")
    assert opened[1].read(2, 10)[0].event.row is None
    assert opened[0].forget("u1", NOW + timedelta(seconds=9)) == 3
    with closing(sqlite_file.connect(path)) as connection:
        assert set(connection.execute("SELECT row, column, randomised FROM events").fetchall()) == {(None, None, None)}
    for each in opened:
        each.close()
