"""Columns of raw files in the canonical type of their kind."""

from __future__ import annotations

import polars as pl

from feature_repo.datasets.list_text import find_separator, split_lists
from feature_repo.datasets.number_text import decimal_mark, parse_numbers
from feature_repo.datasets.raw_table import RawTable
from feature_repo.datasets.time_column import read_times
from feature_repo.errors import InputError
from feature_repo.schema import Feature, Kind


def read_feature(table: RawTable, feature: Feature) -> pl.Series:
    """Values of a feature in its storage type, with nulls.

    Text kinds are String, multi-valued ones List[String] of the first `length` values,
    numeric ones Float64, timestamps Int64 (microseconds), vectors List[Float32].
    """
    match feature.kind:
        case Kind.ID | Kind.CATEGORICAL | Kind.TEXT:
            values = read_strings(table, feature.name)
        case Kind.MULTI_VALUED:
            values = read_lists(table, feature.name).list.head(feature.length or 0)
        case Kind.NUMERIC:
            values = read_numbers(table, feature.name)
        case Kind.TIMESTAMP:
            values = read_times(table, feature.name).cast(pl.Int64)
        case Kind.VECTOR:
            values = read_vectors(table, feature.name, feature.dim or 0)
        case Kind.HISTORY:
            raise InputError(f"{table.name}, column {feature.name!r}: a history is derived from the events, not read")
        case Kind.MOMENT:
            raise InputError(f"{table.name}, column {feature.name!r}: a moment is that of the query, not read")
    return values.alias(feature.name)


def read_strings(table: RawTable, name: str) -> pl.Series:
    """Text and whole numbers as String."""
    raw = table.known(name)
    # Fractions are refused: 1.0 and 1 would be two ids of one thing.
    textual = raw.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Null)
    whole = raw.dtype.is_integer() or (raw.dtype.is_decimal() and not raw.dtype.scale)  # type: ignore[attr-defined]
    if not textual and not whole:
        raise table.wrong_type(name, "text or whole numbers")
    return raw.cast(pl.String).alias(name)


def read_numbers(table: RawTable, name: str) -> pl.Series:
    """Finite numbers as Float64; numbers stored as text are parsed."""
    raw = table.known(name)
    if not raw.dtype.is_numeric() and raw.dtype not in (pl.String, pl.Boolean, pl.Null):
        raise table.wrong_type(name, "numbers")
    numbers = _parse_numbers(table, name, raw).alias(name)
    unparsable = numbers.is_null() & raw.is_not_null()
    if unparsable.any():
        raise table.bad(name, "not a number", unparsable)
    infinite = ~numbers.is_finite().fill_null(True)
    if infinite.any():
        raise table.bad(name, "NaN or infinite; wanted finite numbers, or null where unknown", infinite)
    return numbers


def _parse_numbers(table: RawTable, name: str, raw: pl.Series) -> pl.Series:
    if raw.dtype != pl.String:
        return raw.cast(pl.Float64, strict=False)
    plain = raw.cast(pl.Float64, strict=False)
    if table.decimal is None and plain.null_count() > raw.null_count() and decimal_mark(raw) is None:
        problem = "the comma or point can be a decimal mark or one of thousands, and no cell decides"
        todo = 'write decimal: "." in gatehouse.yaml to read 1,234 as 1234, or decimal: "," to read it as 1.234'
        raise table.bad(name, f"{problem}; {todo}", raw.str.contains("[,.]").fill_null(False))
    return parse_numbers(raw, table.decimal)


def read_lists(table: RawTable, name: str) -> pl.Series:
    """Several values per row as List[String]; empty lists become null."""
    raw = table.known(name)
    if raw.dtype == pl.String:
        lists = split_lists(raw, table.separators.get(name, table.separator))
    elif raw.dtype == pl.Null or _holds_text(raw.dtype):
        lists = raw.cast(pl.List(pl.String)).list.eval(pl.element().filter(pl.element() != ""))
    else:
        raise table.wrong_type(name, "lists of text, or text such as a|b")
    return lists.to_frame(name).select(pl.when(pl.col(name).list.len() > 0).then(pl.col(name))).to_series()


def _holds_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.List) and (dtype.inner == pl.String or dtype.inner.is_integer())


def _holds_numbers(dtype: pl.DataType) -> bool:
    # JSON lines keep numbers as the text that they are.
    return isinstance(dtype, pl.List | pl.Array) and (dtype.inner.is_numeric() or dtype.inner == pl.String)


def read_vectors(table: RawTable, name: str, dim: int) -> pl.Series:
    """Vectors of `dim` finite numbers as List[Float32].

    They are read from lists, JSON lists, or text with separators.

    Args:
        table: the file.
        name: canonical name of the column.
        dim: wanted width.
    """
    raw = table.known(name)
    if raw.dtype == pl.String:
        inner = raw.str.strip_chars("[] ")
        separator = table.separators.get(name, table.separator) or find_separator(inner) or ","
        cells = inner.str.replace_all(separator, ",", literal=True)
        lists = cells.str.split(",").list.eval(pl.element().str.strip_chars().cast(pl.Float32, strict=False))
    elif raw.dtype == pl.Null or _holds_numbers(raw.dtype):
        lists = raw.cast(pl.List(pl.Float32), strict=False)
    else:
        raise table.wrong_type(name, "lists of numbers")
    lengths = lists.list.len()
    wrong = (lengths != dim).fill_null(False)
    if wrong.any():
        found = ", ".join(map(str, lengths.filter(wrong).unique().sort().head(3)))
        raise table.bad(name, f"vector of the wrong length: {found}; wanted {dim}", wrong)
    finite = lists.list.eval(pl.element().is_finite().fill_null(False)).list.all().fill_null(True)
    if not finite.all():
        raise table.bad(name, "NaN, infinite or unreadable number in a vector", ~finite)
    return lists.alias(name)
