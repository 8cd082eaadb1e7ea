"""Tables of exposures and outcomes, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from feature_repo.errors import InputError, bad_input
from feature_repo.schema import ITEM_ID, USER_ID

TIME = pl.Datetime("us")
Columns = Mapping[str, pl.DataType | type[pl.DataType]]
EXPOSURES: Columns = {
    "experiment": pl.String,
    "variant": pl.String,
    "propensity": pl.Float64,
    USER_ID: pl.String,
    "request_id": pl.String,
    "timestamp": TIME,
    "items": pl.List(pl.String),
    "teams": pl.List(pl.String),
    "answer_propensity": pl.Float64,
    "agreeing": pl.List(pl.String),
}
"""Columns of the exposures: the fields of `Exposure`."""
OUTCOMES: Columns = {
    "kind": pl.String,
    USER_ID: pl.String,
    ITEM_ID: pl.String,
    "request_id": pl.String,
    "timestamp": TIME,
    "value": pl.Float64,
}
"""Columns of the outcomes: one row for each click or purchase."""


def read_exposures(path: Path) -> pl.DataFrame:
    """Read exposures of a Parquet file.

    Raises:
        InputError: no such file, a missing column, a wrong type, a null, or the same
            request of a user twice.
    """
    frame = _read(path, EXPOSURES, ("experiment", "variant", "propensity", USER_ID, "request_id", "timestamp"))
    # Counted twice, an answer would halve its click-through rate.
    if twice := frame.height - frame.n_unique(["experiment", "request_id", USER_ID]):
        raise InputError(
            f"{path}: {twice:,} rows repeat a request_id of their experiment and user; wanted one row for each user of "
            "a request"
        )
    return frame


def read_outcomes(path: Path) -> pl.DataFrame:
    """Read outcomes of a Parquet file.

    Raises:
        InputError: no such file, a missing column, a wrong type, a null, or a value
            that is no finite number.
    """
    frame = _read(path, OUTCOMES, ("kind", USER_ID, "timestamp"))
    # One NaN would make every mean of its variant NaN.
    if (wild := frame.filter(~pl.col("value").is_finite())).height:
        raise bad_input(str(path), "value", "got no finite number; wanted one, or null", wild.height, wild["value"])
    return frame


def _read(path: Path, columns: Columns, never_null: Sequence[str]) -> pl.DataFrame:
    """Columns of a Parquet file with the wanted types.

    Args:
        path: the file.
        columns: wanted columns.
        never_null: those without nulls.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; wanted a Parquet file with the columns {', '.join(columns)}")
    try:
        frame = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}: not readable as Parquet: {error}") from error
    if missing := [name for name in columns if name not in frame.columns]:
        raise InputError(f"{path}: no column {', '.join(missing)}; wanted {', '.join(columns)}")
    found = frame.select(_cast(frame, name, kind, path) for name, kind in columns.items())
    for name in never_null:
        if nulls := found[name].null_count():
            raise InputError(f"{path}, column {name!r}: {nulls:,} nulls; wanted a value in each row")
    return found


def _cast(frame: pl.DataFrame, name: str, kind: pl.DataType | type[pl.DataType], path: Path) -> pl.Series:
    """Column with the wanted type, times in UTC without a zone."""
    column = frame[name]
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    try:
        return column.cast(kind)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path}, column {name!r}: got {column.dtype}; wanted {kind}") from error
