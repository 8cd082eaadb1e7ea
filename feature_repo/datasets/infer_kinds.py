"""Guesses of a column's kind, by its name, type and cardinality."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import polars as pl

from feature_repo.datasets.list_text import list_separator, split_lists
from feature_repo.datasets.number_text import parse_numbers
from feature_repo.datasets.raw_table import Epoch
from feature_repo.datasets.time_text import parse_times
from feature_repo.schema import RESERVED_ARRAYS, RESERVED_COLUMNS, Entity, Kind
from feature_repo.standard_views import item_statistics_view, user_activity_view, user_history_view

ID_NAME = re.compile(
    r"(?:^|[_\s-])(?:id|no|key|code|sku)$|(?-i:[a-z](?:Id|ID|No|Key|Code)$)|"
    r"(?:user|item|order|product|customer|visitor|transaction|session|movie|video|book|category|brand)id$",
    re.IGNORECASE,
)
TIME_NAME = re.compile(r"time|date|created|loaded|released|_at$|_ts$|^ts$|_on$", re.IGNORECASE)
_TITLE_NAME = re.compile(r"title|name|label", re.IGNORECASE)
_AMOUNT_NAME = re.compile(
    r"price|cost|amount|revenue|sales|spend|msrp|discount|weight|height|width|depth|size|age$|duration|minutes|seconds|"
    r"cents|pence|year$|count|quantity|qty|stock$|percent|ratio",
    re.IGNORECASE,
)
"""Names of amounts, which are numbers however few their values."""

_PLURAL_NAME = re.compile(
    r"^(?:\w*_)?(?:genres|tags|categories|keywords|topics|ingredients|skills|interests)$", re.IGNORECASE
)
_FEW_VALUES = 50
_CODES = 12
"""Most values of whole numbers that can lie far apart and still be codes."""
_REPEATED = 0.05
_TRIED = 200
"""Values that decide whether a text column is worth reading as times or numbers."""
_YEAR_2200 = 7.26e9
_EPOCHS: tuple[tuple[Epoch, float], ...] = (("s", 1e8), ("ms", 1e11), ("us", 1e14), ("ns", 1e17))
"""Unit, and its smallest count (in 1973) that is a time; 1000 times that is the next
unit."""


def as_typed(column: pl.Series) -> pl.Series:
    """Text as whole numbers, numbers or times, if all values are such.

    Numbers with leading zeros, and whole ones that are too long for one, stay text:
    they are codes.
    """
    if column.dtype != pl.String or column.null_count() == len(column):
        return column
    return next((typed for typed in _readings(column) if typed.null_count() == column.null_count()), column)


def _readings(column: pl.Series) -> Iterator[pl.Series]:
    tried = column.drop_nulls().head(_TRIED)
    # 20240131 is a whole number too.
    if TIME_NAME.search(column.name) and tried.str.contains(r"^\d{8}(\d{6})?$").all():
        yield parse_times(column)
    if not column.str.contains(r"^\s*[+-]?0\d").any():
        yield column.cast(pl.Int64, strict=False)
        if not column.str.contains(r"^\s*[+-]?\d{17,}\s*$").any():
            yield column.cast(pl.Float64, strict=False)
            if not parse_numbers(tried).null_count():
                yield parse_numbers(column)
    if not parse_times(tried).null_count():
        yield parse_times(column)


def epoch_of(column: pl.Series) -> Epoch | None:
    """Unit of numbers that are times by name and size, else None."""
    numeric = column.dtype.is_integer() or column.dtype.is_float()
    if not numeric or not TIME_NAME.search(column.name) or column.null_count() == len(column):
        return None
    lowest, highest = float(column.min()), float(column.max())  # type: ignore[arg-type]
    limits = ((unit, least, min(1000 * least, _YEAR_2200 * least / 1e8)) for unit, least in _EPOCHS)
    return next((unit for unit, least, most in limits if least <= lowest and highest < most), None)


def guess_feature(column: pl.Series, entity: Entity) -> dict[str, Any]:
    """Kind and options of a feature as in the YAML; empty if the column can be none."""
    values = column.drop_nulls()
    if values.is_empty():
        return {}
    if isinstance(column.dtype, pl.List | pl.Array):
        return _guess_list(values.cast(pl.List(column.dtype.inner)))
    if isinstance(column.dtype, pl.Struct | pl.Object | pl.Time | pl.Duration):
        return {}
    if column.dtype.is_temporal() or epoch_of(column):
        return {"kind": Kind.TIMESTAMP.value}
    whole = column.dtype.is_integer() or (column.dtype.is_decimal() and not column.dtype.scale)  # type: ignore[attr-defined]
    if whole and ID_NAME.search(column.name):
        return {"kind": Kind.ID.value}
    if column.dtype.is_numeric() and (not whole or _is_amount(values)):
        return {"kind": Kind.NUMERIC.value}
    if column.dtype == pl.String:
        return _guess_text(values, entity)
    return _categorical(values, entity)


def _is_amount(values: pl.Series) -> bool:
    """Whether whole numbers measure something.

    By their name, many values, or values far apart.
    """
    distinct = values.n_unique()
    span = int(values.max() or 0) - int(values.min() or 0)  # type: ignore[arg-type]
    apart = distinct > _CODES and span > 3 * distinct
    return apart or distinct > _FEW_VALUES or bool(_AMOUNT_NAME.search(values.name))


def _guess_list(lists: pl.Series) -> dict[str, Any]:
    lengths = lists.list.len()
    if lists.dtype.inner.is_float() and lengths.n_unique() == 1:  # type: ignore[attr-defined]
        return {"kind": Kind.VECTOR.value, "dim": int(lengths[0])}
    return {"kind": Kind.MULTI_VALUED.value, "length": _bounded(lengths.quantile(0.99))}


def _guess_text(values: pl.Series, entity: Entity) -> dict[str, Any]:
    if values.str.contains(r"^\[[\d\s,.eE+-]+\]$").all():
        return _guess_list(_numbers(values.str.strip_chars("[] ").str.split(",")))
    if separator := list_separator(values):
        guess = _guess_list(_numbers(split_lists(values, None if separator == "[" else separator)))
        return guess if separator in "[|" else guess | {"separator": separator}
    if _PLURAL_NAME.search(values.name):
        return {"kind": Kind.MULTI_VALUED.value, "length": _bounded(0)}
    words = values.str.count_matches(r"\S+")
    distinct = values.n_unique() / len(values)
    if distinct > 0.5 and words.mean() >= 1.5:  # type: ignore[operator]
        shown = {"display": True} if entity is Entity.ITEM and _TITLE_NAME.search(values.name) else {}
        return {"kind": Kind.TEXT.value, "length": _bounded(words.quantile(0.99)), **shown}
    if distinct > 0.5 and values.n_unique() > _FEW_VALUES:
        return {"kind": Kind.ID.value}
    return _categorical(values, entity)


def _numbers(lists: pl.Series) -> pl.Series:
    """Lists of text as numbers, if all are numbers and some have a fraction."""
    # Whole numbers may be codes of categories, so they stay text.
    numbers = lists.list.eval(pl.element().str.strip_chars().cast(pl.Float64, strict=False))
    flat = numbers.explode()
    return lists if flat.null_count() or (flat % 1 == 0).all() else numbers


def _categorical(values: pl.Series, entity: Entity) -> dict[str, Any]:
    filterable = entity is Entity.ITEM and values.n_unique() <= _FEW_VALUES
    return {"kind": Kind.CATEGORICAL.value} | ({"filterable": True} if filterable else {})


def _bounded(length: float | None) -> int:
    """Feature length with some room: 8 to 64."""
    return min(max(8, round(length or 0)), 64)


def repeated_share(events: pl.DataFrame, user: str, item: str) -> float:
    """Share of the events whose user had the item in an earlier event.

    Args:
        events: the events.
        user: column of users.
        item: column of items.
    """
    return 1 - float(events.select(pl.struct(user, item).n_unique()).item()) / events.height


def may_return(repeated: float) -> bool:
    """Whether seen items may return, by the share of repeated events."""
    return repeated > _REPEATED


def standard_columns() -> set[str]:
    """Names that no feature may have: keys, times, and those of standard views."""
    views = (user_activity_view(value=True, basket=True), user_history_view(), item_statistics_view(value=True))
    features = [feature for view in views for feature in view.features]
    named = {name for each in features for name in (each.name, *each.columns)}
    ages = {f"{each.name}_ages" for each in features if each.kind is Kind.HISTORY}
    return {*RESERVED_COLUMNS, *RESERVED_ARRAYS, *named, *ages}


def free_name(column: str, entity: Entity, taken: set[str]) -> str:
    """Identifier of a column that is not taken, and then is.

    Args:
        column: name of the column.
        entity: entity that the column describes.
        taken: names so far; the new one is added.
    """
    name = identifier(column)
    if name in taken:
        name = f"{entity}_{name}"
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def identifier(text: str) -> str:
    """Lower-case identifier of a text."""
    name = re.sub(r"\W+", "_", text).strip("_").lower()
    return name if name.isidentifier() else f"n{name}"
