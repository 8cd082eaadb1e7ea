"""Times as text: each known form is rewritten to ISO 8601, which polars reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl

Dates = Literal["day-first", "month-first"]
"""Order of day and month where both are numbers: 31/01/2024 or 01/31/2024."""

KNOWN_FORMS = (
    "ISO 8601 (2024-05-31 14:00:00, with or without a zone such as Z or +02:00), 31/05/2024, 05/31/2024, 31.05.2024, "
    "20240531, 31 May 2024, or RFC 2822"
)
"""Accepted forms in words, for errors."""

_ISO = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_HALF_DAYS = ("%Y-%m-%d %I:%M:%S%.f %p", "%Y-%m-%d %I:%M %p")
_ZONED = ("%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M%#z")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMERIC = r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4}|\d{2})(?:\D|$)"
_MIDNIGHT = r"^(.{10}) 24:00((?::00(?:\.0+)?)?)"

_TO_ISO = (
    (r"\[[\w/+-]+\]$", ""),
    (r"^([A-Za-z]+)\s+([A-Za-z]{3})\s+(\d{1,2}) ([\d:]+) (\d{4})$", "$1 $3 $2 $5 $4"),
    (r"(?i)\s*\b(?:utc|gmt)$|(?i)z$", "+00:00"),
    (r"(:\d{2}),(\d+)", "$1.$2"),
    (r"(?i)\s*\b([ap])\.?m\.?$|(?i)(\d)([ap])m$", "$2 $1${3}m"),
    (r"^(\d{4})(\d{2})(\d{2})(?:$|[Tt ](\d{2}:))", "$1-$2-$3 $4"),
    (r"^(\d{4})(\d{2})(\d{2})[Tt ]?(\d{2})(\d{2})(\d{2})", "$1-$2-$3 $4:$5:$6"),
    (r"(?i)^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+", ""),
    (r"^([A-Za-z]{3}) (\d{1,2}) ([\d:]+) ([+-]\d{4}) (\d{4})$", "$2 $1 $5 $3 $4"),
    (r"^(\d{1,2})[ -]([A-Za-z]{3,9})\.?,?[ -](\d{4}),?", "$3-$2-$1"),
    (r"^([A-Za-z]{3,9})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4}),?", "$3-$1-$2"),
    *((rf"(?i)^(\d{{4}})-{name}[a-z]*-", f"${{1}}-{month:02d}-") for month, name in enumerate(_MONTHS, 1)),
    (r"^(\d{1,2}) (\d{1,2}), (\d{4})$", "$3-$1-$2"),
)
"""Rewriting rules, in their order, except those of numeric dates."""
_PADDED = (
    (r"^(\d{4})[/.-](\d{1,2})[/.-](\d{1,2})", "$1-$2-$3"),
    (r"^(\d{4})-(\d)-", "$1-0$2-"),
    (r"^(\d{4}-\d{2})-(\d)(\D|$)", "$1-0$2$3"),
    (r"^(.{10})[Tt ,]+(\d):", "$1 0$2:"),
    (r"^(.{10})[Tt ,]+", "$1 "),
    (r"(\d) ([+-]\d{2})", "$1$2"),
    (r"\s+$", ""),
)
"""Rules after which all parts have two digits, and a space stands before the time."""


def parse_times(text: pl.Series, dates: Dates | None = None) -> pl.Series:
    """Times as Datetime[us] in UTC; null for other text.

    Times without a zone are UTC.

    Args:
        text: the texts.
        dates: order of numeric dates; None asks `date_order`, and reads what it leaves
            open day first.
    """
    plain = text.str.strip_chars().str.replace("T", " ", literal=True)
    times = _read_iso(plain, _ISO)
    if times.null_count() > text.null_count():
        # Rewriting is slow, so it is for the rest only.
        rest = times.is_null() & text.is_not_null()
        where, others = rest.arg_true(), _rewritten(text.filter(rest), dates)
        times = times.scatter(where, _read_iso(others, _ISO + _HALF_DAYS))
    return times.alias(text.name)


def date_order(text: pl.Series) -> Dates | None:
    """Order of day and month that the numeric dates of a column prove, else None.

    A number above 12 is a day. Dots are written day first.
    """
    parts = text.str.strip_chars().str.extract_groups(_NUMERIC).struct.unnest()
    first, second = parts["1"].cast(pl.Int32), parts["2"].cast(pl.Int32)
    dotted = text.str.contains(r"^\s*\d{1,2}\.\d{1,2}\.").any()
    if (second > 12).any():
        return "month-first"
    alike = (first == second).all()
    return "day-first" if (first > 12).any() or dotted or alike else None


def _read_iso(plain: pl.Series, forms: Sequence[str]) -> pl.Series:
    """Times in ISO 8601 with a space before the time of day."""
    column = pl.col("text")
    local = [column.str.to_datetime(form, time_unit="us", strict=False) for form in forms]
    zoned = [column.str.to_datetime(form, time_unit="us", time_zone="UTC", strict=False) for form in _ZONED]
    times = pl.coalesce(*local, *(each.dt.replace_time_zone(None) for each in zoned))
    return plain.to_frame("text").select(times).to_series()


def _rewritten(text: pl.Series, dates: Dates | None) -> pl.Series:
    """Text in ISO 8601 as far as its form is known."""
    text = text.str.strip_chars()
    for pattern, form in _TO_ISO:
        text = text.str.replace(pattern, form)
    order = dates or date_order(text) or "day-first"
    day, month = ("$1", "$2") if order == "day-first" else ("$2", "$1")
    for years, century in ((r"\d{4}", ""), (r"[0-6]\d", "20"), (r"[7-9]\d", "19")):
        pattern = rf"^(\d{{1,2}})[/.-](\d{{1,2}})[/.-]({years})(\D|$)"
        text = text.str.replace(pattern, f"{century}$3-{month}-{day}$4".replace("$3", "${3}"))
    for pattern, form in _PADDED:
        text = text.str.replace(pattern, form)
    return _without_24(text)


def _without_24(text: pl.Series) -> pl.Series:
    """24:00 as 00:00 of the next day."""
    late = text.str.contains(_MIDNIGHT)
    if not late.any():
        return text
    next_day = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).dt.offset_by("1d").dt.to_string("%Y-%m-%d")
    moved = next_day + " 00:00" + text.str.slice(16)
    return moved.zip_with(late.fill_null(False), text)
