"""Online reads straight from Feast's SQLite store, without an import of Feast.

Tables, keys and values are Feast's own; a test compares the frames of both readers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from feature_repo.schema import ENTITY_TIME, Entity, Schema
from feature_repo.store.connection import unknown_if_empty
from feature_repo.store.definitions import table_name
from feature_repo.store.feast_values import decode
from feature_repo.store.sqlite_rows import connect, key_of, tables_in
from feature_repo.store.store import Store, online_types

IDS_PER_QUERY = 10_000

Row = dict[str, Any]


def open_store(schema: Schema, home: Path, *, online: Mapping[str, Any] | None = None) -> Store:
    """Fastest store for the views of a home: SQLite's if it holds them, else Feast's.

    Args:
        schema: schema whose views are read.
        home: folder of the feature registry.
        online: configuration of a Feast online store; None for SQLite in `home`.
    """
    path = home / "online.db"
    wanted = {table_name(schema, view) for view in schema.views}
    if online is not None or not path.is_file() or not wanted <= tables_in(path):
        return Store(schema, home, online=online)
    return SqliteStore(schema, home)


def features_as_of(
    schema: Schema, home: Path, *, online: Mapping[str, Any] | None = None, entity: Entity = Entity.USER
) -> datetime | None:
    """Moment that the online features of a schema stand for; None before a load.

    Args:
        schema: the schema.
        home: folder of the feature registry.
        online: configuration of a Feast online store; None for SQLite in `home`.
        entity: entity of the features.
    """
    # A look makes nothing, and needs no Feast where SQLite has no table of the schema.
    if not (home / ("online.db" if online is None else "registry.db")).is_file():
        return None
    store = open_store(schema, home, online=online)
    return store.loaded_until(entity) if online or isinstance(store, SqliteStore) else None


class SqliteStore(Store):
    """Feature store whose online reads need no Feast.

    Everything else imports Feast when it is used.
    """

    def read_online(self, entity: Entity, ids: Sequence[str]) -> pl.DataFrame:
        """One row per id in the given order, as of `Store.read_online`.

        All views are read in one transaction: a load changes a user in all of them or
        in none.
        """
        views = self.schema.views_of(entity)
        keys = {id_: key_of(entity, id_) for id_ in ids}
        rows: dict[bytes, Row] = {key: {} for key in keys.values()}
        with closing(connect(self.home / "online.db")) as connection:
            connection.execute("BEGIN")
            for view in views:
                for key, name, value, seconds in _stored(connection, table_name(self.schema, view), list(rows)):
                    row = rows[key]
                    # Feast stores times without a zone as this machine's clock would
                    # read them.
                    time = datetime.fromtimestamp(seconds)
                    row[ENTITY_TIME] = max(time, row.get(ENTITY_TIME, time))
                    row[name] = decode(value)
        found = [{**rows[keys[id_]], entity.key: id_} for id_ in ids]
        types = online_types(views)
        return unknown_if_empty(pl.DataFrame({name: [row.get(name) for row in found] for name in types}, schema=types))


def _stored(connection: sqlite3.Connection, table: str, keys: list[bytes]) -> Iterator[tuple[bytes, str, bytes, int]]:
    """Key, feature, value and event time (seconds) of the rows of some keys.

    Args:
        connection: connection to the store.
        table: name of the table.
        keys: keys to read.
    """
    for start in range(0, len(keys), IDS_PER_QUERY):
        part = keys[start : start + IDS_PER_QUERY]
        marks = ",".join("?" * len(part))
        query = f'SELECT entity_key, feature_name, value, event_ts FROM "{table}" WHERE entity_key IN ({marks})'
        yield from connection.execute(query, part)
