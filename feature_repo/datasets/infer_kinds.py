"""Guesses of a column's kind, by its name, type and cardinality."""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from feature_repo.datasets.columns import Epoch, parse_iso
from feature_repo.schema import RESERVED_ARRAYS, RESERVED_COLUMNS, Entity, Kind
from feature_repo.standard_views import item_statistics_view, user_activity_view, user_history_view

USER_NAME = re.compile(r"user|customer|client|household|member|account|visitor|shopper|buyer", re.IGNORECASE)
ITEM_NAME = re.compile(r"item|product|movie|article|sku|track|song|book|job|offer|video", re.IGNORECASE)
ID_NAME = re.compile(r"(^|_)(id|no|key|code|sku)$", re.IGNORECASE)
_TIME_NAME = re.compile(r"time|date|created|loaded|released|_at$|_ts$|^ts$|_on$", re.IGNORECASE)
_TITLE_NAME = re.compile(r"title|name|label", re.IGNORECASE)

_FEW_VALUES = 50
_REPEATED = 0.05
_LIST_SEPARATOR = "|"
_EPOCHS: tuple[tuple[Epoch, float], ...] = (("s", 1e8), ("ms", 1e11), ("us", 1e14), ("ns", 1e17))
"""Unit, and its smallest count (in 1973) that is a time; 1000 times that is the next
unit."""


def as_typed(column: pl.Series) -> pl.Series:
    """Text as whole numbers, numbers or times, if all values are such."""
    if column.dtype != pl.String or column.null_count() == len(column):
        return column
    for typed in (
        column.cast(pl.Int64, strict=False),
        column.cast(pl.Float64, strict=False),
        parse_iso(column),
    ):
        if typed.null_count() == column.null_count():
            return typed
    return column


def epoch_of(column: pl.Series) -> Epoch | None:
    """Unit of whole numbers that are times by name and size, else None."""
    if not column.dtype.is_integer() or not _TIME_NAME.search(column.name) or column.null_count() == len(column):
        return None
    lowest, highest = int(column.min()), int(column.max())  # type: ignore[arg-type]
    return next((unit for unit, least in _EPOCHS if least <= lowest and highest < 1000 * least), None)


def guess_feature(column: pl.Series, entity: Entity) -> dict[str, Any]:
    """Kind and options of a feature as in the YAML; empty if the column can be none."""
    values = column.drop_nulls()
    if values.is_empty():
        return {}
    if isinstance(column.dtype, pl.List | pl.Array):
        return _guess_list(values.cast(pl.List(column.dtype.inner)))
    if column.dtype.is_temporal() or epoch_of(column):
        return {"kind": Kind.TIMESTAMP.value}
    if column.dtype.is_integer() and ID_NAME.search(column.name):
        return {"kind": Kind.ID.value}
    if column.dtype.is_float() or (column.dtype.is_integer() and values.n_unique() > _FEW_VALUES):
        return {"kind": Kind.NUMERIC.value}
    if column.dtype == pl.String:
        return _guess_text(values, entity)
    return _categorical(values, entity)


def _guess_list(lists: pl.Series) -> dict[str, Any]:
    lengths = lists.list.len()
    if lists.dtype.inner.is_float() and lengths.n_unique() == 1:  # type: ignore[attr-defined]
        return {"kind": Kind.VECTOR.value, "dim": int(lengths[0])}
    return {"kind": Kind.MULTI_VALUED.value, "length": _bounded(lengths.quantile(0.99))}


def _guess_text(values: pl.Series, entity: Entity) -> dict[str, Any]:
    if values.str.contains(r"^\[[\d\s,.eE+-]+\]$").all():
        return _guess_list(_numbers(values.str.strip_chars("[] ").str.split(",")))
    if values.str.contains(_LIST_SEPARATOR, literal=True).mean() > 0.2:  # type: ignore[operator]
        return _guess_list(_numbers(values.str.split(_LIST_SEPARATOR)))
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
