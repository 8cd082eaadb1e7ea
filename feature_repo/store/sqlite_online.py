"""Online reads straight from Feast's SQLite store, without an import of Feast.

Tables, keys and values are Feast's own; a test compares the frames of both readers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from feature_repo.schema import Entity, Schema, View
from feature_repo.store.definitions import table_name
from feature_repo.store.feast_values import decode
from feature_repo.store.online_rows import Cell
from feature_repo.store.registry_database import RegistryDatabase
from feature_repo.store.sqlite_reader import SqliteReader
from feature_repo.store.sqlite_rows import key_of, tables_in
from feature_repo.store.store import Store
from feature_repo.utc import microseconds


def open_store(
    schema: Schema, home: Path, *, online: Mapping[str, Any] | None = None, registry: str | None = None
) -> Store:
    """Fastest store for the views of a home: SQLite's if it holds them, else Feast's.

    Args:
        schema: schema whose views are read.
        home: folder of the feature registry.
        online: configuration of a Feast online store; None for SQLite in `home`.
        registry: address of the registry's database; None for SQLite in `home`.
    """
    path = home / "online.db"
    wanted = {table_name(schema, view) for view in schema.views}
    if online is not None or not path.is_file() or not wanted <= tables_in(path):
        return Store(schema, home, online=online, registry=registry)
    return SqliteStore(schema, home, registry=registry)


def features_as_of(
    schema: Schema,
    home: Path,
    *,
    online: Mapping[str, Any] | None = None,
    registry: str | None = None,
    entity: Entity = Entity.USER,
) -> datetime | None:
    """Moment that the online features of a schema stand for; None before a load.

    Args:
        schema: the schema.
        home: folder of the feature registry.
        online: configuration of a Feast online store; None for SQLite in `home`.
        registry: address of the registry's database; None for SQLite in `home`.
        entity: entity of the features.
    """
    # A look makes nothing, and needs no Feast where SQLite has no table of the schema.
    looked = (home / "online.db").is_file() if online is None else RegistryDatabase(home, registry).may_exist()
    if not looked:
        return None
    store = open_store(schema, home, online=online, registry=registry)
    return store.loaded_until(entity) if online or isinstance(store, SqliteStore) else None


class SqliteStore(Store):
    """Feature store whose online reads need no Feast.

    All views are read in one transaction: a load changes a user in all of them or in
    none. Everything else imports Feast when it is used.
    """

    @cached_property
    def _database(self) -> SqliteReader:
        """Reader of the database."""
        return SqliteReader(self.home / "online.db")

    def loaded_until(self, entity: Entity) -> datetime | None:
        """Moment that the online rows of an entity stand for; None before a load."""
        tables = self._tables_of(self.schema.views_of(entity))
        noted = self._database.loads(tables)
        return min(noted) if len(noted) == len(tables) else super().loaded_until(entity)

    def _tables_of(self, views: Sequence[View]) -> tuple[str, ...]:
        return tuple(table_name(self.schema, view) for view in views)

    def _cells(self, views: Sequence[View], ids: Sequence[str]) -> Iterator[Cell]:
        """Stored values of some views of one entity, by one query."""
        id_of = {key_of(views[0].entity, id_): id_ for id_ in ids}
        rows = self._database.rows(self._tables_of(views), list(id_of))
        # Feast stores times without a zone as this machine's clock would read them.
        times = {seconds: microseconds(datetime.fromtimestamp(seconds)) for seconds in {row[-1] for row in rows}}
        return ((id_of[key], name, decode(content), times[seconds]) for key, name, content, seconds in rows)
