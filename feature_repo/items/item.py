"""New item, as a client sends it and the item store keeps it.

A value has the form that the canonical items have. The checks are those of a feature
table (`validation.suite`), as far as a single row can break them.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from feature_repo.errors import InputError
from feature_repo.events.event import check_id
from feature_repo.feature import Feature, Kind
from feature_repo.schema import ITEM_ID, Entity, Schema
from feature_repo.utc import microseconds, utc_time

PROFILE = "item_profile"
"""View of the features that an item brings; all others are computed of events."""
MAX_TEXT_BYTES = 65_535
"""Longest text in UTF-8, as of the item index."""
EARLIEST, LATEST = microseconds(datetime(1800, 1, 1)), microseconds(datetime(2200, 1, 1))
"""First and last time."""
LARGEST_SINGLE = 3.4028234663852886e38
"""Largest number of a vector: of single precision."""
UNIT_FLOOR = 10**13
"""116 days in microseconds: today's seconds and milliseconds lie so near 1970."""


class FieldError(InputError):
    """Field of an item that cannot be used.

    Args:
        field: its name.
        problem: what was got and wanted.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"field {field!r} {problem}")
        self.field = field


@dataclass(frozen=True, kw_only=True)
class NewItem:
    """Item with its features in canonical form."""

    item_id: str
    """Id of the item."""
    fields: Mapping[str, Any]
    """Every feature of the profile: text, number, microseconds, list, or None."""


def item_features(schema: Schema) -> tuple[Feature, ...]:
    """Features that an item brings; a moment has no column, so no item brings it."""
    views = [view for view in schema.views_of(Entity.ITEM) if view.name == PROFILE]
    return tuple(feature for view in views for feature in view.features if feature.columns)


def parse_item(raw: Mapping[str, Any], schema: Schema) -> NewItem:
    """Read and check an item; the result's own fields are read as they are.

    Args:
        raw: `item_id` and features by name. A time is an ISO text or microseconds since
            1970; a list longer than its feature is cut, as in a file.
        schema: features of the dataset.

    Raises:
        FieldError: a field is missing, unknown or cannot be used.
    """
    features = {feature.name: feature for feature in item_features(schema)}
    for name in raw:
        if name != ITEM_ID and name not in features:
            known = ", ".join((ITEM_ID, *features))
            raise FieldError(name, f"is unknown; there are {known}")
    if raw.get(ITEM_ID) is None:
        raise FieldError(ITEM_ID, "is missing")
    try:
        check_id(ITEM_ID, raw[ITEM_ID])
    except InputError as error:
        raise FieldError(ITEM_ID, str(error).partition(f"field {ITEM_ID!r} ")[2]) from error
    fields = {name: _value(feature, raw.get(name)) for name, feature in features.items()}
    return NewItem(item_id=raw[ITEM_ID], fields=fields)


def _value(feature: Feature, raw: Any) -> Any:
    """Canonical value of a feature."""
    is_none = raw is None or (raw == [] and feature.kind in (Kind.MULTI_VALUED, Kind.VECTOR))
    value = None if is_none else _READ[feature.kind](feature, raw)
    if value is None and feature.max_null_share == 0:
        raise FieldError(feature.name, "is missing; it is never null")
    return value


def _text(feature: Feature, raw: Any) -> str:
    text = str(raw) if type(raw) is int else raw
    if not isinstance(text, str):
        raise _bad(feature, raw, "a text")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:  # JSON can spell it, no store can hold it
        raise _bad(feature, raw, "a text without half a surrogate pair") from error
    if size > MAX_TEXT_BYTES or "\0" in text:
        raise _bad(feature, raw, f"a text of at most {MAX_TEXT_BYTES:,} bytes without a null character")
    return text


def _number(feature: Feature, raw: Any) -> float:
    number = _finite(raw)
    if number is None:
        raise _bad(feature, raw, "a finite number")
    least, most = feature.minimum, feature.maximum
    if (least is not None and number < least) or (most is not None and number > most):
        limits = (("at least", least), ("at most", most))
        told = " and ".join(f"{word} {limit:g}" for word, limit in limits if limit is not None)
        raise _bad(feature, raw, f"a number of {told}")
    return number


def _time(feature: Feature, raw: Any) -> int:
    if isinstance(raw, str):
        try:
            moment = microseconds(utc_time(feature.name, raw))
        except (InputError, OverflowError) as error:
            raise _bad(feature, raw, "an ISO time, such as 2024-05-31T18:00:00Z") from error
    elif type(raw) is int:
        moment = raw
    else:
        raise _bad(feature, raw, "an ISO time, such as 2024-05-31T18:00:00Z")
    if not EARLIEST <= moment <= LATEST or abs(moment) < UNIT_FLOOR:
        raise _bad(feature, raw, "a time from 1800 to 2200; in microseconds if it is a number, and not near 1970")
    return moment


def _texts(feature: Feature, raw: Any) -> list[str] | None:
    if not isinstance(raw, list):
        raise _bad(feature, raw, "a list of texts")
    return [text for text in (_text(feature, each) for each in raw) if text][: feature.length] or None


def _vector(feature: Feature, raw: Any) -> list[float]:
    numbers = [number for each in raw if (number := _finite(each)) is not None] if isinstance(raw, list) else []
    if len(numbers) != feature.dim or len(numbers) != len(raw):
        raise _bad(feature, raw, f"a list of {feature.dim} finite numbers")
    if max(map(abs, numbers)) > LARGEST_SINGLE:
        raise _bad(feature, raw, "numbers that single precision can hold")
    return array("f", numbers).tolist()


def _finite(raw: Any) -> float | None:
    """Number as a float; None for anything else."""
    if type(raw) not in (int, float):
        return None
    try:
        number = float(raw)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


_READ = {
    Kind.ID: _text,
    Kind.CATEGORICAL: _text,
    Kind.TEXT: _text,
    Kind.NUMERIC: _number,
    Kind.TIMESTAMP: _time,
    Kind.MULTI_VALUED: _texts,
    Kind.VECTOR: _vector,
}


def _bad(feature: Feature, value: object, wanted: str) -> FieldError:
    shown = ascii(value)
    return FieldError(feature.name, f"is {shown if len(shown) <= 100 else shown[:100] + '…'}; wanted {wanted}")
