"""Notes of pushes beside the rows of Feast's SQLite store: who was pushed for when.

Feast's own times are whole seconds, and as this machine's clock would read them: too
coarse to say which of two rows is newer. These are microseconds, UTC.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence

from feature_repo.store.sqlite_rows import PUSHED

_KEYS_PER_QUERY = 10_000
_TABLE = f"""
CREATE TABLE IF NOT EXISTS "{PUSHED}" (loaded TEXT, entity_key BLOB, moment INTEGER NOT NULL,
PRIMARY KEY (loaded, entity_key)) WITHOUT ROWID
"""


def pushed_moments(connection: sqlite3.Connection, table: str, keys: Sequence[bytes]) -> dict[bytes, int]:
    """Moments of the pushed rows of some keys.

    Args:
        connection: connection that is open for writing.
        table: table of the rows.
        keys: keys of entities.

    Returns:
        The moments in microseconds, by key; nothing of keys that were never pushed.
    """
    connection.execute(_TABLE)
    found: dict[bytes, int] = {}
    for start in range(0, len(keys), _KEYS_PER_QUERY):
        part = keys[start : start + _KEYS_PER_QUERY]
        marks = ",".join("?" * len(part))
        query = f'SELECT entity_key, moment FROM "{PUSHED}" WHERE loaded = ? AND entity_key IN ({marks})'
        found |= dict(connection.execute(query, [table, *part]))
    return found


def note_pushes(connection: sqlite3.Connection, table: str, moments: Mapping[bytes, int]) -> None:
    """Note the moments of pushed rows.

    Args:
        connection: connection that is open for writing.
        table: table of the rows.
        moments: moments in microseconds, by key.
    """
    connection.execute(_TABLE)
    rows = [(table, key, moment) for key, moment in moments.items()]
    connection.executemany(f'INSERT OR REPLACE INTO "{PUSHED}" VALUES (?, ?, ?)', rows)


def forget_pushes(connection: sqlite3.Connection, tables: Collection[str]) -> None:
    """Delete the notes of some tables."""
    connection.execute(_TABLE)
    connection.executemany(f'DELETE FROM "{PUSHED}" WHERE loaded = ?', [(table,) for table in tables])
