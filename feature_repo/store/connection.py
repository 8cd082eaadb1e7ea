"""Connection to Feast: apply and online reads of one schema.

Offline values come from the Parquet files of the feature tables through DuckDB
(`feature_repo.store.offline`). Online values come from SQLite in the home, unless
another Feast online store is configured. The registry is a database in the home, which
several datasets and processes share.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from feature_repo.errors import InputError
from feature_repo.schema import ENTITY_TIME, ITEM_ID, USER_ID, Entity, Schema, View, stored_name
from feature_repo.store.definitions import define, service_name, table_path, view_name
from feature_repo.store.feast_import import plain_import
from feature_repo.store.online_ids import OnlineIds
from feature_repo.store.serving_state import SEEN, seen_schema, withdrawn_schema
from feature_repo.tables.types import TIME, check_table, column_types

if TYPE_CHECKING:
    import feast
    from feast.online_response import OnlineResponse

_ROWS_PER_CALL = 10_000
"""Rows of a read; SQLite takes at most 32,766 variables in a query."""


class Connection:
    """Feast for one schema.

    Args:
        schema: schema, whose dataset and digest name the Feast project, views and
            services.
        home: folder of `registry.db` and, by default, `online.db`; made if missing.
        online: configuration of a Feast online store (`{"type": "redis",
            "connection_string": ...}`); None for SQLite.
    """

    def __init__(self, schema: Schema, home: Path, *, online: Mapping[str, Any] | None = None) -> None:
        self.schema = schema
        self.project = stored_name(schema.dataset)
        """Feast's project."""
        self.home = home.absolute()
        self.home.mkdir(parents=True, exist_ok=True)
        self._online = dict(online or {"type": "sqlite", "path": str(self.home / "online.db")})
        self._ids = OnlineIds(self.home, self._online)
        self._services: dict[Entity, feast.FeatureService] = {}
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
        store.apply([*definitions.entities, *definitions.views, *definitions.services])
        self._tables = folder.absolute()
        self._services.clear()  # the former ones

    def read_online(self, entity: Entity, ids: Sequence[str]) -> pl.DataFrame:
        """Online features of some entities, by one Feast call per 10,000 ids.

        Returns:
            One row per id in the given order: key, `event_timestamp` of the newest of
                its rows (in whole seconds; null for an unknown id), and the columns of
                `join` in the same types.
        """
        return self._read(self._service(entity), self.schema.views_of(entity), ids)

    def seen_items(self, ids: Sequence[str]) -> pl.DataFrame:
        """All items that some users have seen: user_id and item_id.

        Raises:
            InputError: no run has loaded them yet.
        """
        schema = seen_schema(self.schema.dataset)
        if not self._ids.loaded(self.project, view_name(schema, schema.views[0])):
            raise InputError(f"the seen items of {schema.dataset} are not online: `gatehouse run` loads them")
        rows = type(self)(schema, self.home, online=self._online).read_online(Entity.USER, ids)
        return rows.select(USER_ID, pl.col(SEEN).alias(ITEM_ID)).explode(ITEM_ID).drop_nulls()

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
        os.environ["FEAST_USAGE"] = "False"
        with plain_import():
            from feast import FeatureStore
            from feast.repo_config import RepoConfig

            config = RepoConfig(
                project=self.project,
                provider="local",
                registry={
                    "registry_type": "sql",
                    "path": f"sqlite:///{self.home / 'registry.db'}",
                    "cache_ttl_seconds": 0,  # for ever: names with a digest never change
                },
                offline_store={"type": "feature_repo.store.offline.AsOfDuckDBOfflineStore"},
                online_store=self._online,
                entity_key_serialization_version=3,
            )
            store = FeatureStore(config=config)
        # A warning of Feast's own fields, at the first read.
        warnings.filterwarnings("ignore", message='Field name "vector_enabled"')
        return store

    def _service(self, entity: Entity) -> feast.FeatureService:
        """Registered service of an entity, looked up once."""
        if entity not in self._services:
            from feast.errors import FeatureServiceNotFoundException

            # Another process may have applied the schema since.
            self._feast.refresh_registry()
            try:
                self._services[entity] = self._feast.get_feature_service(self.service(entity))
            except FeatureServiceNotFoundException as error:
                raise InputError(
                    f"feature service {self.service(entity)!r} is not registered in {self.home}; apply its schema first"
                ) from error
        return self._services[entity]

    def _read(
        self, features: feast.FeatureService | list[str], views: Sequence[View], ids: Sequence[str]
    ) -> pl.DataFrame:
        """One row per id: key, time of its newest row, and the columns of the views.

        Args:
            features: service, or names of features.
            views: views of the features.
            ids: ids to read.
        """
        key = views[0].entity.key
        parts = [list(ids[at : at + _ROWS_PER_CALL]) for at in range(0, len(ids), _ROWS_PER_CALL)]
        read = self._feast.get_online_features
        frames = [_frame(read(features=features, entity_rows={key: part}), views) for part in parts]
        if not frames:
            return pl.DataFrame(schema=online_types(views))
        return pl.concat(frames) if len(frames) > 1 else frames[0]


def _frame(response: OnlineResponse, views: Sequence[View]) -> pl.DataFrame:
    """Response as a typed frame."""
    # Feast returns nulls and time 0 for a missing row.
    vectors = dict(zip(response.proto.metadata.feature_names.val, response.proto.results, strict=True))
    one_of_each = [vectors[next(iter(view.columns))].event_timestamps for view in views]
    times = np.array([[time.ToMicroseconds() for time in times] for times in one_of_each]).max(axis=0)
    values = response.to_dict() | {ENTITY_TIME: pl.Series(times, dtype=pl.Int64).replace(0, None).cast(TIME)}
    types = online_types(views)
    return unknown_if_empty(pl.DataFrame({name: values[name] for name in types}, schema=types))


def unknown_if_empty(frame: pl.DataFrame) -> pl.DataFrame:
    """Online rows, without a time where nothing is known."""
    # Of a deleted user, an online store on a server keeps an empty row.
    empty = pl.all_horizontal(pl.all().exclude(frame.columns[0], ENTITY_TIME).is_null())
    return frame.with_columns(pl.when(~empty).then(ENTITY_TIME).alias(ENTITY_TIME))


def online_types(views: Sequence[View]) -> dict[str, pl.DataType]:
    """Columns of online rows: key, time, and the columns of one entity's views."""
    return {views[0].entity.key: pl.String(), ENTITY_TIME: TIME, **column_types(*views)}
