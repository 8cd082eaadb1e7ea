"""Event log in an SQLite file.

Group commit makes the fsync of each commit cheap: all that came during one shares the
next.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from feature_repo.events.event import Event
from feature_repo.events.group_commit import GroupCommit
from feature_repo.events.log import (
    EventLogError,
    Forgotten,
    Kept,
    LogBusyError,
    Logged,
    user_digest,
)
from feature_repo.events.log_rows import (
    ADDED,
    COMMIT,
    COUNT,
    EPOCH,
    FORGET,
    FORGOTTEN,
    FORMAT,
    INSERT,
    KNOWN,
    LAST,
    NEWEST,
    NOTE,
    READ,
    TABLES,
    Row,
    event_of,
)
from feature_repo.events.numbering import numbered
from feature_repo.events.sqlite_file import FileKind, connect, explained, prepare
from feature_repo.utc import microseconds

MAX_WAITING = 20_000
"""Events that may wait for the disk, or come in one call."""
KIND = FileKind(name="event log", format=FORMAT, tables=TABLES, failed=EventLogError, busy=LogBusyError, added=ADDED)


class SqliteEventLog:
    """Event log in one file, for many threads and processes.

    Args:
        path: the file; made if missing.
        max_waiting: events that may wait for the disk.

    Raises:
        EventLogError: the file cannot be opened, or is no event log.
    """

    def __init__(self, path: Path, *, max_waiting: int = MAX_WAITING) -> None:
        self.path = path
        self._group: GroupCommit[Event, list[Kept]] = GroupCommit(self._write, max_waiting)
        self._writer: sqlite3.Connection | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        with explained(path, KIND):
            prepare(path, KIND)

    def keep(self, events: Sequence[Event]) -> list[Kept]:
        """Keep events, as of `EventLog.keep`."""
        return self._group.submit(events) if events else []

    def append(self, events: Sequence[Event]) -> list[int]:
        """Keep events, as of `EventLog.append`."""
        return [kept.sequence for kept in self.keep(events)]

    def read(self, after: int, limit: int) -> list[Logged]:
        """Events behind a number, as of `EventLog.read`."""
        return [Logged(row[0], event_of(row)) for row in self.rows(after, limit)]

    def rows(self, after: int, limit: int) -> list[Row]:
        """Rows of the events behind a number: number, arrival and `CONTENT`."""
        with self._reading() as connection:
            return connection.execute(READ, (after, limit)).fetchall()

    def newest(self) -> int:
        """Number of the newest event, as of `EventLog.newest`."""
        with self._reading() as connection:
            found = connection.execute(NEWEST).fetchone()
        return int(found[0]) if found else 0

    def committed(self, consumer: str) -> int:
        """Number up to which a consumer has worked, as of `EventLog.committed`."""
        with self._reading() as connection:
            found = connection.execute("SELECT sequence FROM offsets WHERE consumer = ?", (consumer,)).fetchone()
        return int(found[0]) if found else 0

    def commit(self, consumer: str, sequence: int) -> None:
        """Note how far a consumer has worked, as of `EventLog.commit`."""
        with self._reading() as connection:
            # Without an fsync of its own: an offset that is lost with the power is only
            # work that is done again.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(COMMIT, (consumer, sequence))

    def count(self, user_id: str) -> int:
        """Number of a user's events, as of `EventLog.count`."""
        with self._reading() as connection:
            return int(connection.execute(COUNT, (user_id,)).fetchone()[0])

    def forget(self, user_id: str, at: datetime) -> int:
        """Delete the events of a user for good, as of `EventLog.forget`."""
        with self._reading() as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("BEGIN IMMEDIATE")
            count = connection.execute(FORGET, (user_id,)).rowcount
            connection.execute(NOTE, (microseconds(at), user_digest(user_id)))
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # no byte stays beside the file
        return count

    def forgotten(self, after: int) -> list[Forgotten]:
        """Notes of forgotten users, as of `EventLog.forgotten`."""
        with self._reading() as connection:
            rows = connection.execute(FORGOTTEN, (after,)).fetchall()
        return [Forgotten(row[0], EPOCH + timedelta(microseconds=row[1]), row[2]) for row in rows]

    def close(self) -> None:
        """Close the connection that writes."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Connection of its own, beside the one that writes events."""
        with explained(self.path, KIND), closing(connect(self.path)) as connection:
            yield connection

    def _write(self, calls: list[Sequence[Event]]) -> list[list[Kept] | Exception]:
        """Write the events of some calls in one transaction; one thread at a time."""
        with explained(self.path, KIND):
            if self._writer is None:
                self._writer = connect(self.path)
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                outcomes, rows = _numbered(self._writer, calls)
                self._writer.executemany(INSERT, rows)
                self._writer.execute("COMMIT")
            except BaseException:
                self.close()  # takes the transaction back, whatever state it is in
                raise
        return outcomes


def _numbered(
    connection: sqlite3.Connection, calls: list[Sequence[Event]]
) -> tuple[list[list[Kept] | Exception], list[Row]]:
    """Outcomes of some calls and their new rows, see `numbered`."""
    known = _known(connection, {event.event_id for events in calls for event in events})
    return numbered(calls, known, *_last(connection))


def _known(connection: sqlite3.Connection, ids: set[str]) -> dict[str, tuple[int, Row]]:
    """Number and content of the events that the log holds, by id."""
    rows = connection.execute(KNOWN, (json.dumps(list(ids)),))
    return {row[1]: (row[0], row[1:]) for row in rows}


def _last(connection: sqlite3.Connection) -> tuple[int, int]:
    """Number and arrival of the newest event; zeros for an empty log."""
    found: tuple[int, int] | None = connection.execute(LAST).fetchone()
    return found or (0, 0)
