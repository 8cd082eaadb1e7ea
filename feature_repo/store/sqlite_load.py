"""Writes of an online load to Feast's SQLite store, and the note of its moment.

Feast commits each view by itself. A reader between two commits would see a user's new
history beside old statistics.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from feature_repo.schema import CREATED_TIME, ENTITY_TIME, Column, View
from feature_repo.store.feast_values import encoder
from feature_repo.store.sqlite_rows import ANY_TIME, LOADS, connect, delete_keys, key_of, quoted, tables_in, written

UPSERT = """
INSERT INTO {table} (entity_key, feature_name, value, value_text, event_ts, created_ts) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (entity_key, feature_name) DO UPDATE SET value = excluded.value,
value_text = excluded.value_text, event_ts = excluded.event_ts, created_ts = excluded.created_ts
WHERE event_ts <= ?
"""
PLAIN = (Column.STRING, Column.INT, Column.FLOAT)
"""Columns of which Feast keeps the text too."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """Changes of one view for some entities."""

    view: View
    """The view."""
    name: str
    """Its name in Feast."""
    rows: pl.DataFrame
    """Rows to write, as in the feature table."""
    gone: Collection[str]
    """Ids whose rows vanish."""


def write_changes(path: Path, project: str, changes: Sequence[Change], newest: datetime | None) -> None:
    """Write the changes of some entities in all views, in one transaction.

    Args:
        path: the database.
        project: Feast's project.
        changes: changes by view.
        newest: time of the newest row that may be overwritten or deleted; None for any.
    """
    # A newer row may have been pushed since the changes were found.
    limit = _seconds(newest) if newest else ANY_TIME
    with written(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for each in changes:
            table = f"{project}_{each.name}"
            delete_keys(connection, [table], each.view.entity, each.gone, newest=limit)
            connection.executemany(UPSERT.format(table=quoted(table)), ((*row, limit) for row in _stored(each)))


def _stored(change: Change) -> Iterator[tuple[Any, ...]]:
    """Rows of Feast's table: one per entity and feature."""
    rows, columns = change.rows, change.view.columns
    keys = [key_of(change.view.entity, id_) for id_ in rows[change.view.entity.key]]
    times = [[_seconds(time) for time in rows[name]] for name in (ENTITY_TIME, CREATED_TIME)]
    for name, column in columns.items():
        encode = encoder(column)
        for key, value, *seconds in zip(keys, rows[name].to_list(), *times, strict=True):
            text = str(value) if column in PLAIN and value is not None else None
            yield key, name, encode(value), text, *seconds


def _seconds(time: datetime) -> int:
    """Time as Feast stores it: as this machine's clock would read it."""
    return int(time.timestamp())


def note_load(path: Path, tables: Collection[str], as_of: datetime) -> None:
    """Note the moment that the rows of some tables stand for from now on.

    Args:
        path: the database.
        tables: names of the tables.
        as_of: the moment, naive UTC.
    """
    with written(path, settle=True) as connection:
        connection.execute(f'CREATE TABLE IF NOT EXISTS "{LOADS}" (loaded TEXT PRIMARY KEY, as_of TEXT NOT NULL)')
        rows = [(table, as_of.isoformat()) for table in tables]
        connection.executemany(f'INSERT OR REPLACE INTO "{LOADS}" VALUES (?, ?)', rows)


def noted_loads(path: Path, tables: Collection[str]) -> list[datetime]:
    """Read the noted moments of some tables; empty for a store without notes."""
    if not path.is_file() or LOADS not in tables_in(path, own=True):
        return []
    with closing(connect(path)) as connection:
        rows = connection.execute(f'SELECT loaded, as_of FROM "{LOADS}"').fetchall()
    return [datetime.fromisoformat(as_of) for table, as_of in rows if table in tables]


def forget_loads(path: Path, tables: Collection[str]) -> None:
    """Delete the notes of tables that are dropped."""
    if path.is_file() and LOADS in tables_in(path, own=True):
        with written(path) as connection:
            connection.executemany(f'DELETE FROM "{LOADS}" WHERE loaded = ?', [(table,) for table in tables])
