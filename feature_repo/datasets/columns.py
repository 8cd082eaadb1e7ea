"""Columns of raw files in the canonical type of their kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from feature_repo.errors import InputError, bad_input
from feature_repo.schema import Feature, Kind

Epoch = Literal["s", "ms", "us", "ns"]
"""Unit of times that are whole numbers."""

_EARLIEST, _LATEST = datetime(1900, 1, 1), datetime(2200, 1, 1)
MAX_ID_BYTES = 4_096
"""Longest id in UTF-8: the index reads many ids in one message."""
_TIME_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_ZONED_TIME_FORMAT = "%Y-%m-%d %H:%M:%S%.f%#z"


@dataclass(frozen=True, kw_only=True)
class RawTable:
    """File as it was read."""

    name: str
    """Name in errors."""
    frame: pl.DataFrame
    """Content."""
    columns: Mapping[str, str]
    """Columns of the file by their canonical names."""
    separator: str = "|"
    """Separator of the values of a cell, for lists that are stored as text."""
    epoch: Epoch | None = None
    """Unit of times that are whole numbers since 1970-01-01 UTC; None refuses them."""

    def column(self, name: str) -> pl.Series:
        """Raw column of a canonical name.

        Raises:
            InputError: the file has no such column.
        """
        column = self.columns[name]
        if column not in self.frame.columns:
            problem = f"missing column; the file has {', '.join(self.frame.columns)}"
            raise bad_input(self.name, column, problem, self.frame.height, self.frame.columns)
        return self.frame[column]

    def bad(self, name: str, problem: str, rows: pl.Series) -> InputError:
        """Error of the rows of a mask, with their values, or row numbers for nulls.

        Args:
            name: canonical name of the column.
            problem: what was got, and what was wanted.
            rows: mask of the bad rows.
        """
        raw = self.column(name)
        where = rows.arg_true().head(3)
        values = raw.gather(where).to_list()
        shown = [f"row {row + 1}" if value is None else value for row, value in zip(where, values, strict=True)]
        return bad_input(self.name, self.columns[name], problem, int(rows.sum()), shown)

    def wrong_type(self, name: str, wanted: str) -> InputError:
        """Error of a column of another type than wanted."""
        raw = self.column(name)
        return self.bad(name, f"wrong type {raw.dtype}; wanted {wanted}", pl.repeat(True, len(raw), eager=True))


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


def read_ids(table: RawTable, name: str) -> pl.Series:
    """Ids as String, none of them null, blank or above `MAX_ID_BYTES`."""
    ids = read_strings(table, name)
    blank = ids.is_null() | (ids.str.strip_chars() == "")
    if blank.any():
        raise table.bad(name, "null or blank id", blank)
    if (long := ids.str.len_bytes() > MAX_ID_BYTES).any():
        raise table.bad(name, f"id of more than {MAX_ID_BYTES:,} bytes", long)
    return ids


def read_strings(table: RawTable, name: str) -> pl.Series:
    """Text and whole numbers as String."""
    raw = table.column(name)
    # Fractions are refused: 1.0 and 1 would be two ids of one thing.
    textual = raw.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean, pl.Null)
    if not textual and not raw.dtype.is_integer():
        raise table.wrong_type(name, "text or whole numbers")
    return raw.cast(pl.String).alias(name)


def read_numbers(table: RawTable, name: str) -> pl.Series:
    """Finite numbers as Float64; numbers stored as text are parsed."""
    raw = table.column(name)
    if not raw.dtype.is_numeric() and raw.dtype not in (pl.String, pl.Boolean, pl.Null):
        raise table.wrong_type(name, "numbers")
    numbers = raw.cast(pl.Float64, strict=False).alias(name)
    unparsable = numbers.is_null() & raw.is_not_null()
    if unparsable.any():
        raise table.bad(name, "not a number", unparsable)
    infinite = ~numbers.is_finite().fill_null(True)
    if infinite.any():
        raise table.bad(name, "NaN or infinite; wanted finite numbers, or null where unknown", infinite)
    return numbers


def read_times(table: RawTable, name: str) -> pl.Series:
    """Times as Datetime[us] in UTC without a zone; times without a zone are UTC."""
    raw = table.column(name)
    times = _parse_times(table, name, raw).alias(name)
    unparsable = times.is_null() & raw.is_not_null()
    if unparsable.any():
        wanted = f"whole numbers ({table.epoch})" if table.epoch else "ISO 8601, for example 2024-05-31 14:00:00"
        raise table.bad(name, f"not a time; wanted {wanted}", unparsable)
    outside = ~times.is_between(_EARLIEST, _LATEST).fill_null(True)
    if outside.any():
        raise table.bad(name, "outside the years 1900 to 2200; is the epoch's unit right?", outside)
    return times


def _parse_times(table: RawTable, name: str, raw: pl.Series) -> pl.Series:
    match raw.dtype:
        case pl.Datetime(time_zone=None) | pl.Date | pl.Null:
            return raw.cast(pl.Datetime("us"))
        case pl.Datetime():
            return raw.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(pl.Datetime("us"))
        case pl.String if table.epoch is None:
            return parse_iso(raw)
        case dtype if table.epoch is not None and (dtype == pl.String or dtype.is_integer()):
            return _from_epoch(raw.cast(pl.Int64, strict=False), table.epoch)
        case dtype if dtype.is_integer():
            raise table.wrong_type(name, "times, or `epoch: s` (ms, us, ns) to say how the numbers count")
    raise table.wrong_type(name, "times")


def parse_iso(text: pl.Series) -> pl.Series:
    """ISO 8601 dates and times as Datetime[us] in UTC; null for other text."""
    plain = pl.col("text").str.strip_chars().str.replace("T", " ", literal=True)
    local = [plain.str.to_datetime(form, time_unit="us", strict=False) for form in _TIME_FORMATS]
    zoned = plain.str.to_datetime(_ZONED_TIME_FORMAT, time_unit="us", time_zone="UTC", strict=False)
    times = pl.coalesce(*local, zoned.dt.replace_time_zone(None))
    return text.to_frame("text").select(times).to_series().alias(text.name)


def _from_epoch(counts: pl.Series, unit: Epoch) -> pl.Series:
    # polars wraps counts that overflow, so they are bounded before they are scaled.
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    bounded = counts.clip(-(2**33) * per_second, 2**33 * per_second)
    return pl.from_epoch(bounded, time_unit=unit).cast(pl.Datetime("us"))


def read_lists(table: RawTable, name: str) -> pl.Series:
    """Several values per row as List[String]; empty lists become null."""
    raw = table.column(name)
    if raw.dtype == pl.String:
        lists = raw.str.split(table.separator).list.eval(pl.element().str.strip_chars())
    elif raw.dtype == pl.Null or _holds_text(raw.dtype):
        lists = raw.cast(pl.List(pl.String))
    else:
        raise table.wrong_type(name, f"lists of text, or text separated by {table.separator!r}")
    # An empty cell splits into one empty value.
    kept = lists.list.eval(pl.element().filter(pl.element() != ""))
    return kept.to_frame(name).select(pl.when(pl.col(name).list.len() > 0).then(pl.col(name))).to_series()


def _holds_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.List) and (dtype.inner == pl.String or dtype.inner.is_integer())


def _holds_numbers(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.List | pl.Array) and dtype.inner.is_numeric()


def read_vectors(table: RawTable, name: str, dim: int) -> pl.Series:
    """Vectors of `dim` finite numbers as List[Float32].

    They are read from lists, JSON lists, or text with separators.

    Args:
        table: the file.
        name: canonical name of the column.
        dim: wanted width.
    """
    raw = table.column(name)
    if raw.dtype == pl.String:
        cells = raw.str.strip_chars("[] ").str.replace_all(table.separator, ",", literal=True)
        lists = cells.str.split(",").list.eval(pl.element().str.strip_chars().cast(pl.Float32, strict=False))
    elif raw.dtype == pl.Null or _holds_numbers(raw.dtype):
        lists = raw.cast(pl.List(pl.Float32))
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
