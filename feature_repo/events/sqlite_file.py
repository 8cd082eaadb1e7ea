"""SQLite files that are durable, and whose errors say what to do.

Commits are durable: WAL with `synchronous = EXTRA`, which is FULL there: one fsync of the
WAL each. With NORMAL a loss of power would take acknowledged rows away.

WAL needs memory that all processes share, so that they have to be on one host. A file that
several hosts share has a rollback journal: readers and writers wait for one another, and a
commit is durable by EXTRA alone, which flushes the folder after the journal is deleted.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

WAIT_SECONDS = 5.0
"""Longest wait for another process that writes."""


@dataclass(frozen=True, kw_only=True)
class FileKind:
    """Kind of file, with its layout and its errors."""

    name: str
    """Noun for messages."""
    format: int
    """Number of the layout, kept as `user_version`."""
    tables: str
    """Statements that make the tables."""
    failed: type[Exception]
    """Error of a file that cannot be read or written."""
    busy: type[Exception]
    """Error of a file that another process holds."""
    added: tuple[tuple[str, str, str], ...] = ()
    """Table, name and type of the columns that came later; files without them get them.
    They are null for whoever does not know them, so the format stays."""


def connect(path: Path) -> sqlite3.Connection:
    """Connect to a file. Transactions are begun by hand."""
    # Else sqlite3 would begin them where it sees fit.
    connection = sqlite3.connect(path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = EXTRA")
    connection.execute("PRAGMA fullfsync = ON")  # on macOS, fsync alone does not reach the disk
    return connection


def prepare(path: Path, kind: FileKind, *, is_shared: bool = False) -> None:
    """Make a file with its tables; refuse one of another layout.

    Args:
        path: the file.
        kind: its layout and its errors.
        is_shared: whether several hosts share the file: it leaves WAL then, for all of them.
    """
    from filelock import FileLock

    # SQLite does not wait for the lock that a change to WAL needs.
    with FileLock(path.with_name(f"{path.name}.lock")):
        if not path.exists():
            # Whoever reads it finds all tables, or no file.
            partial = path.with_name(f"{path.name}.partial")
            partial.unlink(missing_ok=True)
            _make(partial, kind)
            partial.replace(path)
            _flush(path.parent)
        _check(path, kind)
        if is_shared:
            _leave_wal(path)


def _make(path: Path, kind: FileKind) -> None:
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        tables = f"{kind.tables}PRAGMA user_version = {kind.format};"
        connection.executescript(f"BEGIN IMMEDIATE;{tables}COMMIT;")


def _leave_wal(path: Path) -> None:
    with closing(connect(path)) as connection:
        # A change needs the file for itself; that of a file without WAL would be none.
        if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            connection.execute("PRAGMA journal_mode = DELETE")


def _check(path: Path, kind: FileKind) -> None:
    """Refuse a file of another layout; an empty one is made."""
    with closing(connect(path)) as connection:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        has_tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if found == 0 and not has_tables:
        _make(path, kind)
    elif found != kind.format:
        raise kind.failed(
            f"{path}: wanted format {kind.format} of the {kind.name}; it is of format {found}, or no {kind.name}"
        )
    else:
        _add_columns(path, kind)


def _add_columns(path: Path, kind: FileKind) -> None:
    with closing(connect(path)) as connection:
        for table, name, type_ in kind.added:
            if name not in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {type_}")


def _flush(folder: Path) -> None:
    """Write the names of a folder to the disk."""
    if os.name == "posix":  # elsewhere folders cannot be opened
        opened = os.open(folder, os.O_RDONLY)
        os.fsync(opened)
        os.close(opened)


@contextmanager
def explained(path: Path, kind: FileKind) -> Iterator[None]:
    """Turn errors of SQLite into those of a kind of file."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extension
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise kind.busy(
                f"{kind.name} {path}: another process has held it for {WAIT_SECONDS:g} seconds; nothing was written, "
                "send it again"
            ) from error
        advice = {
            sqlite3.SQLITE_FULL: "the disk is full; free some space, and send it again",
            sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a copy, or move it away to begin a new one",
            sqlite3.SQLITE_NOTADB: "the file is no database; restore a copy, or move it away to begin a new one",
            sqlite3.SQLITE_READONLY: "the file may not be written; give this user the right to",
        }.get(code, "see to the disk and the folder's rights, and send it again")
        raise kind.failed(f"{kind.name} {path}: {error}: nothing was written: {advice}") from error
