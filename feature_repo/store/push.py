"""Pushes: online rows that are newer than the last load, in Feast's SQLite store.

Who wins, for a user over all views: the row of the later moment. A load leaves users
alone who were pushed for a later time than its own. A push leaves users alone who were
pushed for a later time. It is refused once a load of newer data has come, because what
it computed from older data must not replace that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.errors import InputError, NewerOnlineError
from feature_repo.schema import ENTITY_TIME
from feature_repo.store.push_notes import note_pushes, pushed_moments
from feature_repo.store.sqlite_load import Change, read_notes, write_rows
from feature_repo.store.sqlite_rows import connect, key_of


def push_rows(path: Path, project: str, changes: Sequence[Change], base: datetime) -> int:
    """Write newer rows of some users in all views, in one transaction.

    Args:
        path: the database.
        project: Feast's project.
        changes: rows by view; the time of a row is its moment.
        base: time of the load that the rows go on from.

    Returns:
        Number of written rows, over all views.

    Raises:
        NewerOnlineError: data of a later time than `base` has been loaded.
        InputError: a view was never loaded.
    """
    with closing(connect(path, "rw")) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        _refuse_newer(connection, [f"{project}_{each.name}" for each in changes], base)
        return sum(_push(connection, project, each) for each in changes)


def check_base(path: Path, tables: Sequence[str], base: datetime) -> None:
    """Refuse a base as `push_rows` does, before anything is pushed.

    Args:
        path: the database.
        tables: names of the tables.
        base: time of the load that rows will go on from.

    Raises:
        NewerOnlineError: data of a later time than `base` has been loaded.
        InputError: a table was never loaded.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; load the online features first (`gatehouse run`)")
    with closing(connect(path)) as connection:
        _refuse_newer(connection, tables, base)


def _refuse_newer(connection: sqlite3.Connection, tables: Sequence[str], base: datetime) -> None:
    loaded = read_notes(connection, tables)
    never = sorted(set(tables) - set(loaded))
    if never:
        raise InputError(f"the online rows of {', '.join(never)} were never loaded; load them first (`gatehouse run`)")
    newest = max(loaded.values())
    if newest > base:
        raise NewerOnlineError(
            f"online rows of {newest} have been loaded, later than {base}, from which these pushes go on: go on from "
            "the data of that load"
        )


def _push(connection: sqlite3.Connection, project: str, change: Change) -> int:
    """Write the rows of one view that are newer than those pushed, and their number."""
    table, rows = f"{project}_{change.name}", change.rows
    keys = [key_of(change.view.entity, id_) for id_ in rows[change.view.entity.key]]
    moments = dict(zip(keys, rows[ENTITY_TIME].cast(pl.Int64).to_list(), strict=True))
    pushed = pushed_moments(connection, table, keys)
    newer = {key: moment for key, moment in moments.items() if moment >= pushed.get(key, moment)}
    note_pushes(connection, table, newer)
    mask = pl.Series([key in newer for key in keys], dtype=pl.Boolean)
    return write_rows(connection, project, replace(change, rows=rows.filter(mask)))
