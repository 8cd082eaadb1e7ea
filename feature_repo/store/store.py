"""Feature store of one schema: point-in-time join, and the online load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from feature_repo.errors import InputError, NewerOnlineError
from feature_repo.progress import track
from feature_repo.schema import CREATED_TIME, ENTITY_TIME, Entity, View
from feature_repo.store.connection import Connection, online_types
from feature_repo.store.definitions import define, table_path, view_name
from feature_repo.store.latest import differs, newest_rows, read_rows
from feature_repo.tables.types import cells_of_row, check_query, column_types

__all__ = ["Store", "online_types"]

_ROWS_PER_LOAD = 2_000
"""Rows of a write; Feast holds lists of hundreds of strings as Python objects."""
_CELLS_AT_ONCE = 8_000_000
"""Values that one part of a join holds, lists at their full length."""
_ROW = "row number"
"""Column of a query, of a name that no feature can have."""


class Store(Connection):
    """Feature store of one schema."""

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
        names = {view_name(self.schema, view): view for view in self.schema.views_of(entity)}
        # Not the registered views, whose paths are those of the last process that
        # applied this schema.
        views: list[Any] = [view for view in define(self.schema, self._folder).views if view.name in names]
        job = self._feast.provider.get_historical_features(
            config=self._feast.config,
            feature_views=views,
            feature_refs=[f"{name}:{column}" for name, view in names.items() for column in view.columns],
            entity_df=asked.to_pandas(),
            registry=self._feast.registry,
            project=self.project,
            full_feature_names=False,
            filter_by_created_timestamp=True,
        )
        joined = pl.DataFrame(job.to_arrow()).sort(_ROW)
        if not np.array_equal(joined[_ROW], np.arange(frame.height)):
            raise RuntimeError(f"Feast returned {joined.height:,} rows for {frame.height:,} of {entity.value}s")
        columns = column_types(*self.schema.views_of(entity))
        return frame.hstack([joined[name].cast(dtype) for name, dtype in columns.items()])

    def load_online(self, entity: Entity, as_of: datetime, *, anew: bool = False) -> int:
        """Bring the online store to `as_of`: the values of `join` at that time.

        Only rows that differ from those online are written. Entities that vanished from
        the tables vanish online too. Of several loads at once, one writes and the
        others wait.

        Args:
            entity: the entity.
            as_of: time of the values, UTC without a zone.
            anew: whether to load it even if the store was loaded for a later time.

        Returns:
            Number of written rows, over all views of the entity.

        Raises:
            NewerOnlineError: the online store was loaded for a later time.
            InputError: `as_of` has a zone, or no tables were applied by this object.
        """
        from filelock import FileLock

        if as_of.tzinfo is not None:
            raise InputError(f"got as_of {as_of}; wanted a UTC time without a time zone")
        views, folder = self.schema.views_of(entity), self._folder
        with FileLock(self.home / "online.lock"):
            self._feast.refresh_registry()  # another process may have loaded more
            loaded = self.loaded_until(entity)
            if loaded and loaded > as_of and not anew:
                raise NewerOnlineError(
                    f"online store, service {self.service(entity)}: already loaded as of {loaded}, later than the "
                    f"wanted {as_of}; load that time or a later one, or load it anew (--reset-online)"
                )
            if anew:
                self._forget_loads(entity, folder)
            return sum(self._load_view(view, as_of) for view in views)

    def loaded_until(self, entity: Entity) -> datetime | None:
        """Time that the online rows of an entity stand for; None before the first load.

        Raises:
            InputError: the schema was not applied.
        """
        self._service(entity)
        registered = [self._feast.get_feature_view(view_name(self.schema, v)) for v in self.schema.views_of(entity)]
        times = [view.most_recent_end_time for view in registered if view.most_recent_end_time]
        return max((time.astimezone(UTC).replace(tzinfo=None) for time in times), default=None)

    def forget_all_but(self, entity: Entity, ids: pl.Series) -> int:
        """Delete the online rows of all other entities, in every schema of the dataset.

        Args:
            entity: the entity.
            ids: ids that stay.

        Returns:
            Number of entities that vanished.
        """
        from filelock import FileLock

        self._feast.refresh_registry()  # other processes may have added schemas
        views = [each for each in self._feast.list_feature_views() if each.entities == [entity.value]]
        kept = set(ids)
        with FileLock(self.home / "online.lock"):
            gone = {view.name: self._ids.of(self.project, view.name, entity) - kept for view in views}
            self._delete(entity, gone)
        return len(set().union(*gone.values()))

    def _forget_loads(self, entity: Entity, folder: Path) -> None:
        """Register the views of an entity as never loaded; their rows stay."""
        for view in self.schema.views_of(entity):
            self._feast.registry.delete_feature_view(view_name(self.schema, view), self.project)
        self.apply(folder)

    def _delete(self, entity: Entity, gone: Mapping[str, set[str]]) -> None:
        """Delete entities by name of the view."""
        for name, ids in gone.items():
            if ids and not self._ids.delete(self.project, name, entity, ids):
                # Online stores on servers have no call to delete a row: an empty one
                # takes its place.
                view = self._feast.get_feature_view(name)
                loaded = view.most_recent_end_time
                assert loaded is not None, f"{name} has online rows and was never loaded"
                moment = loaded + timedelta(seconds=1)  # Redis ignores a row that is not newer
                empty = {field.name: [None] * len(ids) for field in view.features}
                times = {ENTITY_TIME: [moment] * len(ids), CREATED_TIME: [moment] * len(ids)}
                rows = pl.DataFrame({entity.key: sorted(ids), **times, **empty})
                self._feast.provider.ingest_df(view, rows.to_pandas(use_pyarrow_extension_array=True))
                self._ids.write(name, self._ids.of(self.project, name, entity) - ids)

    def _load_view(self, view: View, as_of: datetime) -> int:
        """Write the rows of a view that differ at `as_of`, and return their number."""
        registered = self._feast.get_feature_view(view_name(self.schema, view))
        features = [f"{registered.name}:{name}" for name in view.columns]
        path, written = table_path(self._folder, view), 0
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
        ids = set(newest[view.entity.key])
        gone = self._ids.of(self.project, registered.name, view.entity) - ids
        self._delete(view.entity, {registered.name: gone})
        self._ids.write(registered.name, ids)
        moment = as_of.replace(tzinfo=UTC)
        loaded = registered.most_recent_end_time
        if loaded != moment:
            self._feast.registry.apply_materialization(registered, self.project, loaded or moment, moment)
        return written
