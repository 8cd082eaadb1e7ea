"""Columns of times: texts, numbers since 1970, dates and zoned times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from feature_repo.datasets.raw_table import Epoch, RawTable
from feature_repo.datasets.time_text import KNOWN_FORMS, date_order, parse_times

_PER_SECOND: Mapping[Epoch, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EARLIEST, _LATEST = datetime(1900, 1, 1), datetime(2200, 1, 1)
_NEAR_ZERO = 10**13
"""116 days in microseconds: today's seconds read as milliseconds lie so near 1970."""


def read_times(table: RawTable, name: str) -> pl.Series:
    """Times as Datetime[us] in UTC without a zone; times without a zone are UTC."""
    raw = table.known(name)
    times = _read_times(table, name, raw).alias(name)
    unparsable = times.is_null() & raw.is_not_null()
    if unparsable.any():
        wanted = f"numbers ({table.epoch})" if table.epoch else KNOWN_FORMS
        raise table.bad(name, f"not a time; wanted {wanted}", unparsable)
    outside = ~times.is_between(_EARLIEST, _LATEST).fill_null(True)
    if outside.any():
        raise table.bad(name, "outside the years 1900 to 2200; is the epoch's unit right?", outside)
    if table.epoch and (times.cast(pl.Int64).abs() < _NEAR_ZERO).any() and times.is_not_null().any():
        near = (times.cast(pl.Int64).abs() < _NEAR_ZERO).fill_null(True)
        if near.all():
            raise table.bad(name, f"all within 116 days of 1970; is epoch: {table.epoch} the right unit?", near)
    return times


def _read_times(table: RawTable, name: str, raw: pl.Series) -> pl.Series:
    match raw.dtype:
        case pl.Datetime(time_zone=None) | pl.Date | pl.Null:
            return raw.cast(pl.Datetime("us"))
        case pl.Datetime():
            return raw.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(pl.Datetime("us"))
        case pl.String if table.epoch is None:
            return _read_time_text(table, name, raw)
        case dtype if table.epoch is not None and (dtype == pl.String or dtype.is_numeric()):
            return _from_epoch(raw, table.epoch)
        case dtype if dtype.is_integer():
            # 20240131 is a date, whatever its type.
            times = parse_times(raw.cast(pl.String))
            if times.null_count() > raw.null_count():
                raise table.wrong_type(name, "times, or `epoch: s` (ms, us, ns) to say how the numbers count")
            return times
        case dtype if dtype.is_numeric():
            raise table.wrong_type(name, "times, or `epoch: s` (ms, us, ns) to say how the numbers count")
    raise table.wrong_type(name, "times")


def _read_time_text(table: RawTable, name: str, raw: pl.Series) -> pl.Series:
    if table.dates is None and date_order(raw) is None:
        problem = "day or month first? No date has a number above 12 that decides"
        todo = "write dates: day-first or dates: month-first in gatehouse.yaml, beside the file"
        raise table.bad(name, f"{problem}; {todo}", raw.is_not_null())
    return parse_times(raw, table.dates)


def _from_epoch(raw: pl.Series, unit: Epoch) -> pl.Series:
    """Times of numbers, or of text that holds numbers.

    For example 1706782830, 1706782830.5 and 1.7E9.
    """
    per_second = _PER_SECOND[unit]
    counts = raw.cast(pl.Int64, strict=False)
    if raw.dtype.is_float() or raw.dtype.is_decimal() or counts.null_count() > raw.null_count():
        microseconds = (raw.cast(pl.Float64, strict=False) * (10**6 / per_second)).round()
        bound = 2.0**33 * 10**6
        return pl.from_epoch(microseconds.clip(-bound, bound).cast(pl.Int64), time_unit="us")
    # polars wraps counts that overflow, so they are bounded before they are scaled.
    bounded = counts.clip(-(2**33) * per_second, 2**33 * per_second)
    return pl.from_epoch(bounded, time_unit=unit).cast(pl.Datetime("us"))
