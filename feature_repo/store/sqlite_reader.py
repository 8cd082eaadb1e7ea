"""Reads of Feast's SQLite store over connections that stay open.

A connection for each read costs as much as the read. SQLite also keeps the prepared
query of a connection, and prepares it again where a table changed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

from feature_repo.errors import OnlineStoreError
from feature_repo.store.sqlite_rows import LOADS, connect, quoted

KEYS_PER_QUERY = 8_192
"""A power of two; SQLite takes at most 32,766 variables in a query."""

StoredRow = tuple[bytes, str, bytes, int]
"""Key, feature, value and event time (seconds) as Feast stores them."""


class SqliteReader:
    """Reader of a database, with a connection for each thread.

    Args:
        path: the database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = threading.local()

    def rows(self, tables: tuple[str, ...], keys: Sequence[bytes]) -> list[StoredRow]:
        """Rows of some keys in some tables, all read in one transaction.

        Args:
            tables: names of the tables.
            keys: distinct keys.

        Raises:
            OnlineStoreError: the database or a table is missing, or cannot be read.
        """
        if not keys:
            return []
        parts = [keys[at : at + KEYS_PER_QUERY] for at in range(0, len(keys), KEYS_PER_QUERY)]
        connection = self._connection()
        try:
            connection.execute("BEGIN")
            return [row for part in parts for row in _selected(connection, tables, part)]
        except sqlite3.DatabaseError as error:
            raise OnlineStoreError(f"{self._path}: {error}; `gatehouse run` loads the online features") from error
        finally:
            connection.rollback()

    def loads(self, tables: tuple[str, ...]) -> list[datetime]:
        """Moments that some tables were loaded for, of those that have a note.

        Raises:
            OnlineStoreError: the database is missing.
        """
        marks = ",".join("?" * len(tables))
        query = f"SELECT as_of FROM {quoted(LOADS)} WHERE loaded IN ({marks})"
        connection = self._connection()
        try:
            return [datetime.fromisoformat(as_of) for (as_of,) in connection.execute(query, tables)]
        except sqlite3.OperationalError:  # a store without notes
            return []

    def _connection(self) -> sqlite3.Connection:
        """Connection of this thread to the file that lies at the path now."""
        try:
            found = self._path.stat()
        except FileNotFoundError as error:
            raise OnlineStoreError(f"{self._path}: no such file; `gatehouse run` loads the online features") from error
        # An open file keeps its number: another file at the path has another one.
        identity = (found.st_dev, found.st_ino)
        if getattr(self._own, "identity", None) != identity:
            self._own.connection, self._own.identity = connect(self._path), identity
        connection: sqlite3.Connection = self._own.connection
        return connection


def _selected(connection: sqlite3.Connection, tables: tuple[str, ...], keys: Sequence[bytes]) -> list[StoredRow]:
    """Rows of at most KEYS_PER_QUERY keys, by one query.

    Args:
        connection: connection to the database.
        tables: names of the tables.
        keys: the keys.
    """
    size = 1 << (len(keys) - 1).bit_length()
    padded = [*keys, *[keys[-1]] * (size - len(keys))]
    return connection.execute(_query(tables, size), padded).fetchall()


@cache
def _query(tables: tuple[str, ...], size: int) -> str:
    """Query for some keys; few sizes make few queries, which stay prepared.

    Args:
        tables: names of the tables.
        size: number of keys.
    """
    keys = ",".join(f"?{n + 1}" for n in range(size))
    selects = (
        f"SELECT entity_key, feature_name, value, event_ts FROM {quoted(table)} WHERE entity_key IN ({keys})"
        for table in tables
    )
    return " UNION ALL ".join(selects)
