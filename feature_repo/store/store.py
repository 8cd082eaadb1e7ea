"""Feature store of one schema: point-in-time join, and all that it inherits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from feature_repo.progress import track
from feature_repo.schema import ENTITY_TIME, Entity
from feature_repo.store.definitions import define, view_name
from feature_repo.store.loading import Loading
from feature_repo.tables.types import cells_of_row, check_query, column_types

_CELLS_AT_ONCE = 8_000_000
"""Values that one part of a join holds, lists at their full length."""
_ROW = "row number"
"""Column of a query, of a name that no feature can have."""


class Store(Loading):
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
