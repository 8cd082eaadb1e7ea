"""Feature tables as polars frames: their types and checks."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from feature_repo.errors import InputError, bad_input
from feature_repo.schema import CREATED_TIME, ENTITY_TIME, Column, Entity, View

TIME = pl.Datetime("us")
"""Times are UTC without a zone, in microseconds: DuckDB fails on nanoseconds."""

POLARS_TYPES: dict[Column, pl.DataType] = {
    Column.STRING: pl.String(),
    Column.INT: pl.Int64(),
    Column.FLOAT: pl.Float64(),
    Column.STRINGS: pl.List(pl.String),
    Column.INTS: pl.List(pl.Int64),
    Column.FLOATS: pl.List(pl.Float32),
}


def column_types(*views: View) -> dict[str, pl.DataType]:
    """Types of the value columns of some views, in order."""
    return {name: POLARS_TYPES[column] for view in views for name, column in view.columns.items()}


def table_types(view: View) -> dict[str, pl.DataType]:
    """Types of all columns of a view's feature table: key, times, values."""
    return {view.entity.key: pl.String(), ENTITY_TIME: TIME, CREATED_TIME: TIME, **column_types(view)}


def cells_of_row(*views: View) -> int:
    """Values in one row of some views, lists at their full length."""
    return sum(len(each.columns) * (each.length or each.dim or 1) for view in views for each in view.features)


def check_table(path: Path, view: View) -> None:
    """Raise InputError unless a file has the columns of the view's feature table."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; write the feature tables of the schema first")
    found = pl.read_parquet_schema(path)
    wrong = [
        f"{name} is {found.get(name, 'missing')}, wanted {dtype}"
        for name, dtype in table_types(view).items()
        if found.get(name) != dtype
    ]
    if wrong:
        raise InputError(f"{path}: {len(wrong)} columns unlike the schema: {'; '.join(wrong[:3])}")


def check_query(frame: pl.DataFrame, entity: Entity) -> pl.DataFrame:
    """Key and time of the rows to be joined.

    Raises:
        InputError: wrong types, nulls or duplicates.
    """
    source = f"{entity.value} rows to join"
    for name, dtype in {entity.key: pl.String(), ENTITY_TIME: TIME}.items():
        if frame.schema.get(name) != dtype:
            raise InputError(
                f"{source}, column {name!r}: got {frame.schema.get(name, 'no such column')}, wanted {dtype}"
            )
        missing = frame.filter(pl.col(name).is_null())
        if missing.height:
            raise bad_input(source, name, "is null", missing.height, missing.head(3).rows())
    query = frame.select(entity.key, ENTITY_TIME)
    repeated = query.filter(query.is_duplicated())
    if repeated.height:
        examples = repeated.unique(maintain_order=True).head(3).rows()
        raise bad_input(source, None, "same key and time more than once", repeated.height, examples)
    return query
