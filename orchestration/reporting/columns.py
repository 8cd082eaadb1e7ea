"""Columns of tables for the pages of assets in Dagster: names, types, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg
import polars as pl

from feature_repo.schema import Schema

COLUMNS, ROWS = "dagster/column_schema", "dagster/row_count"
"""Names of metadata that Dagster shows in places of their own."""
KEYS = {
    "user_id": "the user",
    "item_id": "the item",
    "timestamp": "time of the event, UTC",
    "created": "time when the row became known, UTC",
    "value": "money, rating or watch time of the event",
    "basket_id": "events of one basket share it",
    "event_id": "id of the event in the event log",
    "event_timestamp": "moment of the row, UTC: it knows what was known before",
    "created_timestamp": "time when the row became known, UTC",
    "weight": "weight of the interaction in training",
}
"""Meaning of the columns that no feature declares."""


def column_schema(tables: Mapping[str, pl.Schema], schema: Schema) -> dg.TableSchema:
    """Columns of the tables of an asset; those of several are named `table.column`.

    Args:
        tables: types of the columns by table.
        schema: the dataset's schema, whose features have descriptions.
    """
    meanings = dict(KEYS)
    for view in schema.views:
        for feature in view.features:
            meanings |= dict.fromkeys(feature.columns, feature.description or f"{feature.kind.value} {feature.name}")
    columns = [
        dg.TableColumn(
            name=name if len(tables) == 1 else f"{table}.{name}",
            type="Datetime" if isinstance(dtype, pl.Datetime) else str(dtype),
            description=meanings.get(name),
            constraints=dg.TableColumnConstraints(nullable=name not in KEYS),
        )
        for table, dtypes in tables.items()
        for name, dtype in dtypes.items()
    ]
    return dg.TableSchema(columns=columns)
