"""Connection to Feast: apply and online reads of one schema.

Offline values come from the Parquet files of the feature tables through DuckDB
(`feature_repo.store.offline`). Online values come from SQLite in the home, unless
another Feast online store is configured. The registry is a database in the home, or on
a server, which several datasets and processes share.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_repo.errors import InputError, OnlineStoreError
from feature_repo.schema import ITEM_ID, USER_ID, Entity, Schema, View, stored_name
from feature_repo.store.definitions import define, service_name, table_path, view_name
from feature_repo.store.feast_import import plain_import
from feature_repo.store.feast_reader import FeastReader
from feature_repo.store.feast_rows import entity_keys, plain_cells
from feature_repo.store.online_ids import OnlineIds
from feature_repo.store.online_rows import Cell, OnlineRows
from feature_repo.store.online_server import check_client, check_names, completed, reached
from feature_repo.store.registry_database import RegistryDatabase
from feature_repo.store.serving_state import SEEN, seen_schema, withdrawn_schema
from feature_repo.tables.types import check_table

if TYPE_CHECKING:
    import feast

_IDS_PER_READ = 10_000
"""Entities of a read; SQLite takes at most 32,766 variables in a query."""


class Connection:
    """Feast for one schema.

    Args:
        schema: schema, whose dataset and digest name the Feast project, views and
            services.
        home: folder of `registry.db` and, by default, `online.db`; made if missing.
        online: configuration of a Feast online store (`{"type": "redis",
            "connection_string": ...}`); None for SQLite.
        registry: address of the registry's database; None for SQLite in `home`.
    """

    def __init__(
        self, schema: Schema, home: Path, *, online: Mapping[str, Any] | None = None, registry: str | None = None
    ) -> None:
        self.schema = schema
        self.project = stored_name(schema.dataset)
        """Feast's project."""
        self.home = home.absolute()
        self.home.mkdir(parents=True, exist_ok=True)
        self._online = completed(online or {"type": "sqlite", "path": str(self.home / "online.db")})
        check_names(self._online, schema)
        self._ids = OnlineIds(self.home, self._online)
        self._registry = RegistryDatabase(self.home, registry)
        self._views: dict[Entity, dict[str, feast.FeatureView]] = {}
        self._tables: Path | None = None

    def service(self, entity: Entity) -> str:
        """Name of the feature service of an entity's tower."""
        return service_name(self.schema, entity)

    def apply(self, folder: Path, entities: Collection[Entity] = tuple(Entity)) -> None:
        """Register entities, views over the tables in a folder, and services.

        Joins and loads of this object read the tables of this folder, whatever another
        process applies meanwhile. Views of other schemas stay, and so do their online
        rows.

        Args:
            folder: folder of the tables.
            entities: entities whose tables are there.

        Raises:
            InputError: a missing file, or columns that are not those of the schema.
        """
        for view in (view for view in self.schema.views if view.entity in entities):
            check_table(table_path(folder, view), view)
        # Before `define`, so that Feast is imported without its warnings.
        store = self._feast
        definitions = define(self.schema, folder)
        with self._reached():
            store.apply([*definitions.entities, *definitions.views, *definitions.services])
        self._tables = folder.absolute()
        self._views.clear()  # the former ones

    def read_rows(self, entity: Entity, ids: Sequence[str]) -> OnlineRows:
        """Online features of some entities: one row per id in the given order."""
        return self._rows(self.schema.views_of(entity), ids)

    def read_online(self, entity: Entity, ids: Sequence[str]) -> pl.DataFrame:
        """Frame of `read_rows`.

        Returns:
            One row per id in the given order: key, `event_timestamp` of the newest of
                its rows (in whole seconds; null for an unknown id), and the columns of
                `join` in the same types.
        """
        return self.read_rows(entity, ids).frame(self.schema.views_of(entity))

    def seen_rows(self, ids: Sequence[str]) -> list[list[str]]:
        """All items that each of some users has seen; none for an unknown user.

        Raises:
            InputError: no run has loaded them yet.
        """
        return [items or [] for items in self._seen.read_rows(Entity.USER, ids).columns[SEEN]]

    def seen_items(self, ids: Sequence[str]) -> pl.DataFrame:
        """Frame of `seen_rows`: user_id and item_id, one row per item."""
        seen = {USER_ID: list(ids), ITEM_ID: self.seen_rows(ids)}
        types = {USER_ID: pl.String(), ITEM_ID: pl.List(pl.String)}
        return pl.DataFrame(seen, schema=types).explode(ITEM_ID).drop_nulls()

    def withdrawn_items(self) -> list[str]:
        """Items of kept releases that the data of the last run does not have, sorted."""
        schema = withdrawn_schema(self.schema.dataset)
        return sorted(self._ids.of(self.project, view_name(schema, schema.views[0]), Entity.ITEM))

    def known(self, entity: Entity) -> list[str]:
        """Ids with online features, sorted."""
        names = [view_name(self.schema, view) for view in self.schema.views_of(entity)]
        return sorted(set().union(*(self._ids.of(self.project, name, entity) for name in names)))

    @property
    def _folder(self) -> Path:
        """Folder of the tables that this object applied."""
        if self._tables is None:
            raise InputError(
                f"this store has not applied the feature tables of {self.schema.dataset}; apply its schema first"
            )
        return self._tables

    @cached_property
    def _feast(self) -> feast.FeatureStore:
        check_client(self._online)
        os.environ["FEAST_USAGE"] = "False"
        # Feast writes times to Postgres without a zone: those of the session, not UTC.
        os.environ["PGTZ"] = "UTC"
        with plain_import():
            from feast import FeatureStore
            from feast.repo_config import RepoConfig

            config = RepoConfig(
                project=self.project,
                provider="local",
                registry={
                    "registry_type": "sql",
                    "path": self._registry.uri,
                    "cache_ttl_seconds": 0,  # for ever: names with a digest never change
                },
                offline_store={"type": "feature_repo.store.offline.AsOfDuckDBOfflineStore"},
                online_store=self._online,
                entity_key_serialization_version=3,
            )
            with self._registry.reached():
                store = FeatureStore(config=config)
                _ = store.registry  # connects now; Feast would at its first use
        # A warning of Feast's own fields, at the first read.
        warnings.filterwarnings("ignore", message='Field name "vector_enabled"')
        return store

    @cached_property
    def _seen(self) -> Connection:
        """Store of the items that users have seen, as the newest run loaded them."""
        schema = seen_schema(self.schema.dataset)
        if not self._ids.loaded(self.project, view_name(schema, schema.views[0])):
            raise InputError(f"the seen items of {schema.dataset} are not online: `gatehouse run` loads them")
        return type(self)(schema, self.home, online=self._online, registry=self._registry.server)

    def _rows(self, views: Sequence[View], ids: Sequence[str]) -> OnlineRows:
        """Online rows of some views of one entity."""
        return OnlineRows.of_cells(ids, [name for view in views for name in view.columns], self._cells(views, ids))

    def _cells(self, views: Sequence[View], ids: Sequence[str]) -> Iterator[Cell]:
        """Stored values of some views of one entity, read view by view.

        Not by `get_online_features`, which takes three times as long for one entity.
        """
        entity = views[0].entity
        registered, distinct = self._registered(entity), list(dict.fromkeys(ids))
        columns = [(registered[view.name], list(view.columns)) for view in views]
        for part in (distinct[at : at + _IDS_PER_READ] for at in range(0, len(distinct), _IDS_PER_READ)):
            for rows in self._reader.read(columns, entity_keys(entity, part)):
                yield from plain_cells(part, rows)

    @cached_property
    def _reader(self) -> FeastReader:
        """Reader of the online store."""
        return FeastReader(self._feast.config, self._online)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Name the address of the online store in the errors of a write.

        Raises:
            OnlineStoreError: the store does not answer.
        """
        try:
            with reached(self._online):
                yield
        except OnlineStoreError:
            # Feast would go on with its broken connection.
            self.__dict__.pop("_feast", None)
            raise

    def _registered(self, entity: Entity) -> dict[str, feast.FeatureView]:
        """Registered views of an entity by their names in the schema, looked up once."""
        if entity not in self._views:
            from feast.errors import FeatureServiceNotFoundException

            # Another process may have applied the schema since.
            self._feast.refresh_registry()
            try:
                self._feast.get_feature_service(self.service(entity))
            except FeatureServiceNotFoundException as error:
                raise InputError(
                    f"feature service {self.service(entity)!r} is not registered in {self.home}; apply its schema first"
                ) from error
            views = self.schema.views_of(entity)
            self._views[entity] = {
                view.name: self._feast.get_feature_view(view_name(self.schema, view)) for view in views
            }
        return self._views[entity]
