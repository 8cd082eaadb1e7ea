"""Point-in-time join of feature tables in memory, without a feature store."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from feature_repo.schema import CREATED_TIME, ENTITY_TIME, Entity

_QUERY, _ROW, _KNOWN = "__query", "__row", "__known"


def join_as_of(asked: pl.DataFrame, tables: Mapping[str, pl.DataFrame], entity: Entity) -> pl.DataFrame:
    """Features that were true and known of each entity at each time, as `Store.join`.

    Args:
        asked: the entity's key and `event_timestamp`, the times of the queries.
        tables: feature tables of the entity, as of `feature_tables`.
        entity: entity of all tables.

    Returns:
        The same rows in the same order, with the columns of all tables. Each table
            gives its newest row with event_timestamp <= time and created <= time, of
            equally old rows the last created, else nulls.
    """
    key = entity.key
    queries = asked.select(key, ENTITY_TIME).with_row_index(_QUERY).sort(ENTITY_TIME)
    joined = [asked]
    for table in tables.values():
        ordered = table.sort(ENTITY_TIME, CREATED_TIME)
        # A row may become known after a newer one, so the newest row known so far
        # answers.
        known = (
            ordered.select(key, pl.max_horizontal(ENTITY_TIME, CREATED_TIME).alias(_KNOWN))
            .with_row_index(_ROW)
            .sort(_KNOWN)
            .with_columns(pl.col(_ROW).cum_max().over(key))
        )
        found = queries.join_asof(known, left_on=ENTITY_TIME, right_on=_KNOWN, by=key, check_sortedness=False)
        rows = pl.lit(found.sort(_QUERY)[_ROW])
        joined.append(ordered.select(pl.exclude(key, ENTITY_TIME, CREATED_TIME).gather(rows)))
    return pl.concat(joined, how="horizontal")
