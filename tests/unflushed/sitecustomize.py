"""Commit to SQLite without waiting for the disk, unless a connection asks for it afterwards."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import Any

_connect = sqlite3.connect


def unflushed(*arguments: Any, **options: Any) -> sqlite3.Connection:
    """Open a database as `sqlite3.connect` does."""
    connection = _connect(*arguments, **options)
    # A file that is locked or no database is told by the statement that comes next.
    with suppress(sqlite3.Error):
        connection.execute("PRAGMA synchronous = OFF").close()
    return connection


if _connect.__name__ != unflushed.__name__:  # this file may be imported under two names
    sqlite3.connect = sqlite3.dbapi2.connect = unflushed  # type: ignore[assignment]
