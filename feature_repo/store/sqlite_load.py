"""Writes of an online load to Feast's SQLite store, and the note of its moment.

Feast commits each view by itself. A reader between two commits would see a user's new
history beside old statistics.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from feature_repo.schema import CREATED_TIME, ENTITY_TIME, Column, View
from feature_repo.store.feast_values import encoder
from feature_repo.store.push_notes import forget_pushes, pushed_moments
from feature_repo.store.sqlite_rows import (
    ANY_TIME,
    LOADS,
    PUSHED,
    connect,
    delete_keys,
    id_of,
    key_of,
    quoted,
    tables_in,
    written,
)
from feature_repo.utc import microseconds

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


def write_changes(
    path: Path, project: str, changes: Sequence[Change], as_of: datetime, newest: datetime | None = None
) -> int:
    """Write the changes of some entities in all views, in one transaction.

    Entities that were pushed for a later time stay as they are.

    Args:
        path: the database.
        project: Feast's project.
        changes: changes by view.
        as_of: time of the values, naive UTC.
        newest: time of the newest row that may be overwritten or deleted; None for any.

    Returns:
        Number of written rows, over all views.
    """
    # A newer row may have been written since the changes were found.
    limit = _seconds(newest) if newest else ANY_TIME
    with written(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        left = [_not_pushed(connection, project, each, as_of) for each in changes]
        return sum(write_rows(connection, project, each, limit) for each in left)


def write_rows(connection: sqlite3.Connection, project: str, change: Change, limit: int = ANY_TIME) -> int:
    """Write the changes of one view within a transaction.

    Args:
        connection: connection that is open for writing.
        project: Feast's project.
        change: the changes.
        limit: stored time of the newest row that may be overwritten or deleted.

    Returns:
        Number of written rows.
    """
    table = f"{project}_{change.name}"
    if change.gone:
        delete_keys(connection, [table], change.view.entity, change.gone, newest=limit)
        delete_keys(connection, [PUSHED], change.view.entity, change.gone)
    connection.executemany(UPSERT.format(table=quoted(table)), ((*row, limit) for row in _stored(change)))
    return change.rows.height


def _not_pushed(connection: sqlite3.Connection, project: str, change: Change, as_of: datetime) -> Change:
    """Changes without those of entities that were pushed for a later time.

    Args:
        connection: connection that is open for writing.
        project: Feast's project.
        change: changes of one view.
        as_of: time of the load, naive UTC.
    """
    entity, moment = change.view.entity, microseconds(as_of)
    ids = [*change.rows[entity.key], *change.gone]
    pushed = pushed_moments(connection, f"{project}_{change.name}", [key_of(entity, id_) for id_ in ids])
    newer = {id_of(entity, key) for key, pushed_for in pushed.items() if pushed_for > moment}
    if not newer:
        return change
    rows = change.rows.filter(~pl.col(entity.key).is_in(newer))
    return replace(change, rows=rows, gone=set(change.gone) - newer)


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
    if not path.is_file():
        return []
    with closing(connect(path)) as connection:
        return list(read_notes(connection, tables).values())


def read_notes(connection: sqlite3.Connection, tables: Collection[str]) -> dict[str, datetime]:
    """Read the noted moments of some tables, by table."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [LOADS]).fetchone()
    rows = connection.execute(f'SELECT loaded, as_of FROM "{LOADS}"').fetchall() if known else []
    return {table: datetime.fromisoformat(as_of) for table, as_of in rows if table in tables}


def forget_loads(path: Path, tables: Collection[str]) -> None:
    """Delete the notes of tables that are dropped."""
    if path.is_file() and LOADS in tables_in(path, own=True):
        with written(path) as connection:
            connection.executemany(f'DELETE FROM "{LOADS}" WHERE loaded = ?', [(table,) for table in tables])
            forget_pushes(connection, tables)


def forget_pushed(path: Path, tables: Collection[str]) -> None:
    """Delete the notes of pushes to some tables: the next load replaces their rows."""
    if path.is_file():
        with written(path) as connection:
            forget_pushes(connection, tables)
