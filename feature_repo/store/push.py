"""Pushes: online rows that are newer than the last load.

Who wins, for a user over all views: the row of the later moment. A load leaves users
alone who were pushed for a later time than its own. A push leaves users alone who were
pushed for a later time. It is refused once a load of newer data has come, because what
it computed from older data must not replace that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

import polars as pl

from feature_repo.errors import InputError, NewerOnlineError
from feature_repo.schema import ENTITY_TIME, Entity
from feature_repo.store.push_notes import note_pushes, pushed_moments
from feature_repo.store.sqlite_load import Change, read_notes, write_rows
from feature_repo.store.sqlite_rows import PUSHED, connect, delete_ids, key_of, tables_in, written


class Pusher(Protocol):
    """Writer of pushes to an online store."""

    def loaded(self, names: Sequence[str]) -> dict[str, datetime]:
        """Moments that some views were loaded for; nothing of those that never were.

        Args:
            names: names of the views in Feast.
        """
        ...

    def push(self, changes: Sequence[Change], base: datetime) -> int:
        """Write newer rows of some users in all views.

        Args:
            changes: rows by view; the time of a row is its moment.
            base: time of the load that the rows go on from.

        Returns:
            Number of written rows, over all views.

        Raises:
            NewerOnlineError: data of a later time than `base` has been loaded.
            InputError: a view was never loaded.
        """
        ...

    def delete(self, names: Sequence[str], ids: Collection[str], at: datetime) -> None:
        """Delete the rows of some users for good.

        Args:
            names: names of the views in Feast.
            ids: the users.
            at: time after all of their rows.
        """
        ...


def refuse_newer(loaded: Mapping[str, datetime], names: Sequence[str], base: datetime) -> None:
    """Refuse pushes from data that is older than what was loaded.

    Args:
        loaded: moments of the loads by view.
        names: views of the pushes.
        base: time of the load that the pushes go on from.

    Raises:
        NewerOnlineError: data of a later time than `base` has been loaded.
        InputError: a view was never loaded.
    """
    never = sorted(set(names) - set(loaded))
    if never:
        raise InputError(f"the online rows of {', '.join(never)} were never loaded; load them first (`gatehouse run`)")
    newest = max(loaded.values())
    if newest > base:
        raise NewerOnlineError(
            f"online rows of {newest} have been loaded, later than {base}, from which these pushes go on: go on from "
            "the data of that load"
        )


class SqlitePusher:
    """Pushes to Feast's SQLite store: all views of some users in one transaction.

    Args:
        path: the database.
        project: Feast's project.
    """

    def __init__(self, path: Path, project: str) -> None:
        self._path, self._project = path, project

    def loaded(self, names: Sequence[str]) -> dict[str, datetime]:
        """Moments of loads, as of `Pusher.loaded`."""
        if not self._path.is_file():
            return {}
        with closing(connect(self._path)) as connection:
            return self._loaded(connection, names)

    def push(self, changes: Sequence[Change], base: datetime) -> int:
        """Write newer rows, as of `Pusher.push`."""
        names = [each.name for each in changes]
        with written(self._path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            refuse_newer(self._loaded(connection, names), names, base)
            return sum(self._push(connection, each) for each in changes)

    def delete(self, names: Sequence[str], ids: Collection[str], at: datetime) -> None:
        """Delete the rows of some users, as of `Pusher.delete`."""
        tables = {PUSHED, *(f"{self._project}_{name}" for name in names)}
        delete_ids(self._path, tables & tables_in(self._path, own=True), Entity.USER, ids)

    def _loaded(self, connection: sqlite3.Connection, names: Sequence[str]) -> dict[str, datetime]:
        tables = {f"{self._project}_{name}": name for name in names}
        return {tables[table]: moment for table, moment in read_notes(connection, tables).items()}

    def _push(self, connection: sqlite3.Connection, change: Change) -> int:
        """Write the rows of one view that are newer than those pushed, and their number."""
        table, rows = f"{self._project}_{change.name}", change.rows
        keys = [key_of(change.view.entity, id_) for id_ in rows[change.view.entity.key]]
        moments = dict(zip(keys, rows[ENTITY_TIME].cast(pl.Int64).to_list(), strict=True))
        pushed = pushed_moments(connection, table, keys)
        newer = {key: moment for key, moment in moments.items() if moment >= pushed.get(key, moment)}
        note_pushes(connection, table, newer)
        mask = pl.Series([key in newer for key in keys], dtype=pl.Boolean)
        return write_rows(connection, self._project, replace(change, rows=rows.filter(mask)))
