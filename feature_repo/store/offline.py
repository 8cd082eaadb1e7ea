"""The offline store: Feast's DuckDB store, made light for wide rows. Only Feast imports it, by configuration.

Feast joins every earlier row of an entity to every query of it, values included, and then keeps the newest
pair. With histories of a hundred items that is gigabytes of lists, thrown away at once. Here Feast's own join
decides on the times of the rows alone, and the values of the chosen rows are attached afterwards: the same
answer, with each list moved once.
"""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import ibis
from feast.infra.offline_stores.duckdb import (
    DuckDBOfflineStore,
    DuckDBOfflineStoreConfig,
    _read_data_source,
    _write_data_source,
)
from feast.infra.offline_stores.ibis import get_historical_features_ibis

if TYPE_CHECKING:
    from feast import FeatureView, RepoConfig
    from feast.data_source import DataSource
    from feast.infra.offline_stores.offline_store import RetrievalJob
    from ibis.expr.types import Table

TIMES = ("row_event_timestamp", "row_created")
"""Which row of a view was chosen: its event and created times, beside the entity's key."""


class LeanDuckDBOfflineStoreConfig(DuckDBOfflineStoreConfig):
    type: Literal["feature_repo.store.offline.LeanDuckDBOfflineStore"] = (
        "feature_repo.store.offline.LeanDuckDBOfflineStore"
    )


class LeanDuckDBOfflineStore(DuckDBOfflineStore):
    """DuckDB offline store whose point-in-time join carries row times instead of rows.

    Needs sources with a created column whose rows are unique in key, event and created time; no on-demand views.
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
        """As in Feast: the entity rows, in any order, with the newest values known at each row's time."""
        job: Any = get_historical_features_ibis(
            config=config,
            feature_views=feature_views,
            feature_refs=[f"{view.projection.name_to_use()}:{time}" for view in feature_views for time in TIMES],
            entity_df=entity_df,
            registry=registry,
            project=project,
            data_source_reader=_read_times,
            data_source_writer=_write_data_source,
            full_feature_names=True,
            filter_by_created_timestamp=filter_by_created_timestamp,
        )
        for view in feature_views:
            prefix = f"{view.projection.name_to_use()}:"
            features = [ref.removeprefix(prefix) for ref in feature_refs if ref.startswith(prefix)]
            job.table = _attach(job.table, view, features, str(config.repo_path), full_feature_names)
        return job


def _read_times(source: DataSource, repo_path: str) -> Table:
    """The source with its two times a second time, as columns that may be requested as features."""
    table = _read_data_source(source, repo_path)
    times = (table[source.timestamp_field], table[source.created_timestamp_column])
    return table.mutate(**dict(zip(TIMES, times, strict=True)))


def _attach(table: Table, view: FeatureView, features: Sequence[str], repo_path: str, full_names: bool) -> Table:
    """Replaces the times of the chosen rows of a view by the features of those rows."""
    name = view.projection.name_alias or view.name
    rows = _read_times(view.batch_source, repo_path)  # type: ignore[arg-type]
    keys = view.projection.join_key_map or {column.name: column.name for column in view.entity_columns}
    chosen = [f"{name}__{time}" for time in TIMES]
    predicates = [table[of_table] == rows[of_rows] for of_rows, of_table in keys.items()]
    predicates += [table[of_table] == rows[of_rows] for of_table, of_rows in zip(chosen, TIMES, strict=True)]
    values = {f"{name}__{feature}" if full_names else feature: rows[feature] for feature in features}
    kept = [column for column in table.columns if column not in chosen]
    return table.left_join(rows, predicates).select(*(table[column] for column in kept), **values)


@atexit.register
def _close() -> None:
    """Closes the connection that ibis opened for Feast; DuckDB otherwise prints a leak report on exit."""
    if ibis.options.default_backend is not None:
        ibis.options.default_backend.disconnect()
        ibis.options.default_backend = None
