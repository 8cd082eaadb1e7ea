"""Calls of Feast: apply, point-in-time join, online load and online read.

Offline values come from the Parquet files of the feature tables through DuckDB
(`feature_repo.store.offline`). Online values come from SQLite in the home, unless
another Feast online store is configured. The registry is a database in the home, which
several datasets and processes share.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from feature_repo.errors import InputError
from feature_repo.progress import track
from feature_repo.schema import ENTITY_TIME, Entity, Schema, View, stored_name
from feature_repo.store.definitions import define, service_name, table_path, view_name
from feature_repo.store.latest import differs, newest_rows, read_rows
from feature_repo.tables.types import TIME, cells_of_row, check_query, check_table, column_types

if TYPE_CHECKING:
    import feast
    from feast.online_response import OnlineResponse

_ROWS_PER_CALL = 10_000
"""Rows of a read; SQLite takes at most 32,766 variables in a query."""
_ROWS_PER_LOAD = 2_000
"""Rows of a write; Feast holds lists of hundreds of strings as Python objects."""
_CELLS_AT_ONCE = 8_000_000
"""Values that one part of a join holds, lists at their full length."""
_ROW = "row number"
"""Column of a query, of a name that no feature can have."""


class Store:
    """Feature store of one schema.

    Args:
        schema: schema, whose dataset and digest name the Feast project, views and
            services.
        home: folder of `registry.db` and, by default, `online.db`; made if missing.
        online: configuration of a Feast online store (`{"type": "redis",
            "connection_string": ...}`); None for SQLite.
    """

    def __init__(self, schema: Schema, home: Path, *, online: Mapping[str, Any] | None = None) -> None:
        self.schema = schema
        self.home = home.absolute()
        self.home.mkdir(parents=True, exist_ok=True)
        self._online = dict(online or {"type": "sqlite", "path": str(self.home / "online.db")})
        self._services: dict[Entity, feast.FeatureService] = {}

    def service(self, entity: Entity) -> str:
        """Name of the feature service of an entity's tower."""
        return service_name(self.schema, entity)

    def apply(self, folder: Path) -> None:
        """Register entities, views over the tables in a folder, and services.

        Views of other schemas stay, and so do their online rows.

        Raises:
            InputError: a missing file, or columns that are not those of the schema.
        """
        for view in self.schema.views:
            check_table(table_path(folder, view), view)
        # Before `define`, so that Feast is imported without its warnings.
        store = self._feast
        definitions = define(self.schema, folder)
        store.apply([*definitions.entities, *definitions.views, *definitions.services])

    def join(self, entity: Entity, frame: pl.DataFrame) -> pl.DataFrame:
        """Point-in-time join: values true and known of each entity at each time.

        Args:
            entity: the entity.
            frame: its key (String) and `event_timestamp` (Datetime[us], UTC), the times
                of the queries.

        Returns:
            The same rows in the same order, with all columns of the entity's views.
                Each view gives its newest row with event_timestamp <= time and created
                <= time, of equally old rows the last created, else nulls.

        Raises:
            InputError: nulls, wrong types or duplicate rows in `frame`.
        """
        columns = column_types(*self.schema.views_of(entity))
        nothing = frame.clear().with_columns(pl.lit(None, dtype).alias(name) for name, dtype in columns.items())
        return pl.concat([nothing, *self.join_parts(entity, frame)])

    def join_parts(self, entity: Entity, frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Join as `join` does, some rows at a time.

        Memory does not grow with their number. Rows sorted by key are joined fastest:
        each part then reads only its part of the tables.

        Raises:
            InputError: nulls, wrong types or duplicate rows in `frame`.
        """
        query = check_query(frame, entity)
        size = max(1, _CELLS_AT_ONCE // cells_of_row(*self.schema.views_of(entity)))
        for start in track(range(0, query.height, size), "parts"):
            rows = slice(start, start + size)
            yield self._joined(entity, frame[rows], query[rows])

    def _joined(self, entity: Entity, frame: pl.DataFrame, query: pl.DataFrame) -> pl.DataFrame:
        asked = query.with_columns(pl.col(ENTITY_TIME).dt.replace_time_zone("UTC")).with_row_index(_ROW)
        job = self._feast.get_historical_features(
            asked.to_pandas(), self._service(entity), filter_by_created_timestamp=True
        )
        joined = pl.DataFrame(job.to_arrow()).sort(_ROW)
        if not np.array_equal(joined[_ROW], np.arange(frame.height)):
            raise RuntimeError(f"Feast returned {joined.height:,} rows for {frame.height:,} of {entity.value}s")
        columns = column_types(*self.schema.views_of(entity))
        return frame.hstack([joined[name].cast(dtype) for name, dtype in columns.items()])

    def load_online(self, entity: Entity, as_of: datetime) -> int:
        """Bring the online store to `as_of`: the values of `join` at that time.

        Only rows that differ from those online are written. Entities that vanished from
        the tables keep their last row.

        Returns:
            Number of written rows, over all views of the entity.

        Raises:
            InputError: the online store was loaded for a later time; it never goes
                back.
        """
        if as_of.tzinfo is not None:
            raise InputError(f"got as_of {as_of}; wanted a UTC time without a time zone")
        for view in self.schema.views_of(entity):
            loaded = self._loaded_until(view)
            if loaded and loaded > as_of:
                raise InputError(
                    f"online store, view {view_name(self.schema, view)}: already loaded as of {loaded}, later than the "
                    f"wanted {as_of}; load that time or a later one, or use another home"
                )
        return sum(self._load_view(view, as_of) for view in self.schema.views_of(entity))

    def read_online(self, entity: Entity, ids: Sequence[str]) -> pl.DataFrame:
        """Online features of some entities, by one Feast call per 10,000 ids.

        Returns:
            One row per id in the given order: key, `event_timestamp` of the newest of
                its rows (in whole seconds; null for an unknown id), and the columns of
                `join` in the same types.
        """
        return self._read(self._service(entity), self.schema.views_of(entity), ids)

    def known(self, entity: Entity) -> list[str]:
        """Ids of the registered feature tables of an entity, sorted.

        Raises:
            InputError: the schema was not applied.
        """
        self._service(entity)
        registered = [self._feast.get_feature_view(view_name(self.schema, v)) for v in self.schema.views_of(entity)]
        ids = pl.concat(pl.scan_parquet(_table(view)).select(entity.key) for view in registered).unique().collect()
        return ids[entity.key].sort().to_list()

    @cached_property
    def _feast(self) -> feast.FeatureStore:
        os.environ["FEAST_USAGE"] = "False"
        # Importing Feast switches deprecation warnings on for all code.
        with warnings.catch_warnings():
            from feast import FeatureStore
            from feast.repo_config import RepoConfig

            config = RepoConfig(
                project=stored_name(self.schema.dataset),
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

    def _loaded_until(self, view: View) -> datetime | None:
        """Time that the view's online rows stand for, from Feast's registry."""
        self._service(view.entity)
        loaded = self._feast.get_feature_view(view_name(self.schema, view)).most_recent_end_time
        return loaded and loaded.astimezone(UTC).replace(tzinfo=None)

    def _load_view(self, view: View, as_of: datetime) -> int:
        """Write the rows of a view that differ at `as_of`, and return their number."""
        registered = self._feast.get_feature_view(view_name(self.schema, view))
        features = [f"{registered.name}:{name}" for name in view.columns]
        path, written = _table(registered), 0
        newest = newest_rows(path, view, as_of)
        parts = track(newest.iter_slices(_ROWS_PER_LOAD), f"parts of {view.name}", -(-newest.height // _ROWS_PER_LOAD))
        for part in parts:
            latest = read_rows(path, view, part)
            online = self._read(features, (view,), latest[view.entity.key].to_list())
            changed = latest.filter(differs(latest, online, view))
            written += changed.height
            if changed.height:
                # One chunk: Feast writes the first only. Not write_to_online_store, which
                # skips rows that are all null.
                rows = changed.rechunk().to_pandas(use_pyarrow_extension_array=True)
                self._feast.provider.ingest_df(registered, rows)
        moment = as_of.replace(tzinfo=UTC)
        loaded = registered.most_recent_end_time
        if loaded != moment:
            self._feast.registry.apply_materialization(registered, self._feast.project, loaded or moment, moment)
        return written

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
    return pl.DataFrame({name: values[name] for name in types}, schema=types)


def online_types(views: Sequence[View]) -> dict[str, pl.DataType]:
    """Columns of online rows: key, time, and the columns of one entity's views."""
    return {views[0].entity.key: pl.String(), ENTITY_TIME: TIME, **column_types(*views)}


def _table(registered: feast.FeatureView) -> Path:
    """Path of a registered view's feature table."""
    return Path(registered.batch_source.path)  # type: ignore[union-attr]
