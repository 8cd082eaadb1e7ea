"""Offline store: Feast's DuckDB store with an as-of join.

Only Feast imports it, by configuration. Feast pairs every earlier row of an entity with
every query of it and then keeps the newest pair, which is quadratic in the snapshots of
an entity. Here each view becomes a list of moments at which its newest known row
changes, and DuckDB's ASOF join finds the moment of each query: the same rows, in the
time of a sort.

Inside DuckDB every column has a generated name: a feature may be named as a column of
the join, and DuckDB takes `Kind` and `KIND` for one column.
"""

from __future__ import annotations

import atexit
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import ibis
from feast.infra.offline_stores.duckdb import (
    DuckDBOfflineStore,
    DuckDBOfflineStoreConfig,
    _read_data_source,
    _write_data_source,
)
from feast.infra.offline_stores.ibis import IbisRetrievalJob
from feast.infra.offline_stores.offline_store import RetrievalMetadata
from feast.infra.offline_stores.offline_utils import infer_event_timestamp_from_entity_df
from pyarrow import parquet

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow
    from feast import FeatureView, RepoConfig
    from feast.infra.offline_stores.offline_store import RetrievalJob
    from ibis.expr.types import Column, Table

MOMENT, NUMBER, KNOWN = "moment", "number", "known"
"""Columns of the join itself: time of a query or event time of a row; number of a row
among those of its entity by (event, created) time; time from which it is known."""

Names = dict[str, str]
"""Generated names of columns, by the names that people gave them."""


class AsOfDuckDBOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """Configuration of the store, which names its class to Feast."""

    type: Literal["feature_repo.store.offline.AsOfDuckDBOfflineStore"] = (
        "feature_repo.store.offline.AsOfDuckDBOfflineStore"
    )


class AsOfDuckDBOfflineStore(DuckDBOfflineStore):
    """DuckDB offline store whose point-in-time join is an ASOF join.

    Needs sources with a created column whose rows are unique in key, event and created
    time; no on-demand views.
    """

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: Any,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
    ) -> RetrievalJob:
        """Entity rows with the newest values known at each row's time, as Feast's join.

        Args:
            config: Feast's configuration.
            feature_views: views to join.
            feature_refs: wanted features, as `view:feature`.
            entity_df: pandas frame of keys and times.
            registry: Feast's registry, not read.
            project: Feast's project, not read.
            full_feature_names: whether columns are named `view__feature`.
            filter_by_created_timestamp: whether a row counts only from its created
                time.

        Returns:
            The job, which DuckDB runs when it is read.
        """
        time = infer_event_timestamp_from_entity_df(dict(zip(entity_df.columns, entity_df.dtypes, strict=True)))
        given = {name: f"given_{number}" for number, name in enumerate(entity_df.columns)}
        asked = ibis.memtable(entity_df.rename(columns=given))
        table, result = asked.mutate(**{MOMENT: _utc(asked[given[time]])}), list(given)
        for number, view in enumerate(feature_views):
            prefix = f"{view.projection.name_to_use()}:"
            features = [ref.removeprefix(prefix) for ref in feature_refs if ref.startswith(prefix)]
            name = view.projection.name_alias or view.name
            result += [f"{name}__{each}" if full_feature_names else each for each in features]
            rows, names = _read(view, entity_df, str(config.repo_path))
            rows = _numbered(rows, names, view, by_created=filter_by_created_timestamp)
            keys = {names[of_rows]: given[of_table] for of_rows, of_table in _keys(view).items()}
            table = _attach(table, rows, view, keys, {f"view_{number}_{names[each]}": names[each] for each in features})
        metadata = RetrievalMetadata(
            features=feature_refs,
            keys=[name for name in entity_df.columns if name != time],
            min_event_timestamp=entity_df[time].min(),
            max_event_timestamp=entity_df[time].max(),
        )
        return _NamedJob(table.drop(MOMENT), result, full_feature_names, metadata, str(config.repo_path))


class _NamedJob(IbisRetrievalJob):
    """Job whose result has the names that people gave its columns.

    Args:
        table: table with generated names.
        names: names of its columns, in order.
        full_feature_names: whether features are named `view__feature`.
        metadata: description for Feast.
        repo_path: folder that relative paths start from.
    """

    def __init__(
        self,
        table: Table,
        names: list[str],
        full_feature_names: bool,
        metadata: RetrievalMetadata,
        repo_path: str,
    ) -> None:
        super().__init__(table, [], full_feature_names, metadata, _write_data_source, None, None, repo_path)
        self._names = names

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return super()._to_df_internal(timeout).set_axis(self._names, axis=1)

    def _to_arrow_internal(self, timeout: int | None = None) -> pyarrow.Table:
        return super()._to_arrow_internal(timeout).rename_columns(self._names)


def _utc(column: Column) -> Column:
    return column.cast(ibis.expr.datatypes.Timestamp(timezone="UTC"))


def _keys(view: FeatureView) -> dict[str, str]:
    """Join keys: names in the entity rows by names in the view's rows."""
    return view.projection.join_key_map or {column.name: column.name for column in view.entity_columns}


def _read(view: FeatureView, entity_df: Any, repo_path: str) -> tuple[Table, Names]:
    """Rows of a view that the entities may need, and the generated names.

    Args:
        view: the view.
        entity_df: the entity rows.
        repo_path: folder that relative paths start from.
    """
    source: Any = view.batch_source
    rows = _read_data_source(source, repo_path)
    # By position: DuckDB has changed those names of the file that it takes for equal.
    generated = [f"column_{number}" for number in range(len(rows.columns))]
    rows = rows.rename(dict(zip(generated, rows.columns, strict=True)))
    names = dict(zip(parquet.read_schema(Path(repo_path, source.path)).names, generated, strict=True))
    # Row groups of sorted tables without any of the asked keys are then never read.
    for of_rows, of_table in _keys(view).items():
        rows = rows.filter(rows[names[of_rows]].between(entity_df[of_table].min(), entity_df[of_table].max()))
    return rows, names


def _numbered(rows: Table, names: Names, view: FeatureView, *, by_created: bool) -> Table:
    """Rows of a view with MOMENT, their event time, NUMBER and KNOWN.

    Args:
        rows: the rows.
        names: generated names of their columns.
        view: the view.
        by_created: whether a row counts from its created time on.
    """
    source: Any = view.batch_source
    event, created = (_utc(rows[names[time]]) for time in (source.timestamp_field, source.created_timestamp_column))
    order = ibis.window(group_by=[names[key] for key in _keys(view)], order_by=[event, created])
    known = ibis.greatest(event, created) if by_created else event
    return rows.mutate(**{MOMENT: event, KNOWN: known, NUMBER: ibis.row_number().over(order)})


def _attach(table: Table, rows: Table, view: FeatureView, keys: Names, values: Names) -> Table:
    """Add the features of a view to the entity rows.

    Args:
        table: entity rows with MOMENT.
        rows: the view's rows, as `_numbered` gives them.
        view: the view, which must have no time to live.
        keys: key of the rows -> key of the table.
        values: column of the result -> column of the rows.

    Returns:
        The table with the columns of the result; nulls where nothing was known.

    Raises:
        ValueError: the view has a time to live.
    """
    if view.ttl:
        raise ValueError(f"view {view.name} has a time to live of {view.ttl}; wanted none: online stores ignore it")
    # A row that became known late must not hide an older one before: at each moment the
    # highest number known by then counts.
    news = rows.group_by([*keys, KNOWN]).agg(**{NUMBER: rows[NUMBER].max()})
    so_far = ibis.cumulative_window(group_by=list(keys), order_by=KNOWN)
    newest = news.mutate(**{NUMBER: news[NUMBER].max().over(so_far)}).rename({f"{KNOWN}_{key}": key for key in keys})
    same = [table[of_table] == newest[f"{KNOWN}_{of_rows}"] for of_rows, of_table in keys.items()]
    found = table.asof_join(newest, on=table[MOMENT] >= newest[KNOWN], predicates=same)
    found = found.select(*table.columns, NUMBER)
    predicates = [found[of_table] == rows[of_rows] for of_rows, of_table in keys.items()]
    predicates.append(found[NUMBER] == rows[NUMBER])
    read = {name: rows[column] for name, column in values.items()}
    return found.left_join(rows, predicates).select(*(found[name] for name in table.columns), **read)


@atexit.register
def _close() -> None:
    """Close the connection that ibis opened for Feast."""
    # An open connection makes DuckDB print a leak report at exit.
    if ibis.options.default_backend is not None:
        ibis.options.default_backend.disconnect()
        ibis.options.default_backend = None
