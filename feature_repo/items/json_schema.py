"""JSON Schema of new items: what `items.item` accepts, as clients and OpenAPI read it."""

from __future__ import annotations

import sys
from typing import Any

from feature_repo.events.event import MAX_ID_LENGTH
from feature_repo.feature import Feature, Kind
from feature_repo.items.item import EARLIEST, LARGEST_SINGLE, LATEST, MAX_TEXT_BYTES, UNIT_FLOOR, item_features
from feature_repo.schema import ITEM_ID, Schema

ID_SCHEMA: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH}
"""Id of an item."""
_TEXT: dict[str, Any] = {"type": ["string", "integer"], "maxLength": MAX_TEXT_BYTES}
_TIMES: list[dict[str, Any]] = [
    {"type": "string", "format": "date-time"},
    {
        "type": "integer",
        "minimum": EARLIEST,
        "maximum": LATEST,
        "not": {"exclusiveMinimum": -UNIT_FLOOR, "exclusiveMaximum": UNIT_FLOOR},
    },
]
_IN_WORDS = {
    Kind.ID: "In UTF-8 at most 65,535 bytes, without a null character; a whole number counts as its digits.",
    Kind.NUMERIC: "",
    Kind.TIMESTAMP: "ISO time, in UTC unless it names a zone, or microseconds since 1970: from 1800 to 2200, and not "
    "within 115 days of 1970.",
    Kind.MULTI_VALUED: "Empty texts are left out, then the first {length} count.",
    Kind.VECTOR: "",
}
_IN_WORDS |= dict.fromkeys((Kind.CATEGORICAL, Kind.TEXT), _IN_WORDS[Kind.ID])


def item_json_schema(schema: Schema) -> dict[str, Any]:
    """JSON Schema of an item of a dataset, with its id and features.

    It can state neither the bytes of a text nor the years of an ISO time: descriptions do.
    """
    features = item_features(schema)
    return {
        "type": "object",
        "required": [ITEM_ID, *(each.name for each in features if not _is_nullable(each))],
        "properties": {ITEM_ID: ID_SCHEMA, **{each.name: _described(each) for each in features}},
        "additionalProperties": False,
    }


def _is_nullable(feature: Feature) -> bool:
    return feature.max_null_share > 0


def _described(feature: Feature) -> dict[str, Any]:
    """Schema of a feature's value, with its description."""
    words = (feature.description, _IN_WORDS[feature.kind].format(length=feature.length))
    text = ". ".join(filter(None, words))
    accepted = _SCHEMAS[feature.kind](feature)
    if _is_nullable(feature):
        accepted.append({"type": "null"})
    found = {"anyOf": accepted} if len(accepted) > 1 else accepted[0]
    return {**found, "description": text} if text else found


def _number(feature: Feature) -> list[dict[str, Any]]:
    # JSON has numbers beyond the largest float, which no column holds.
    largest = sys.float_info.max
    least = -largest if feature.minimum is None else feature.minimum
    most = largest if feature.maximum is None else feature.maximum
    return [{"type": "number", "minimum": least, "maximum": most}]


def _texts(feature: Feature) -> list[dict[str, Any]]:
    found: dict[str, Any] = {"type": "array", "items": _TEXT}
    return [found if _is_nullable(feature) else {**found, "contains": {"not": {"const": ""}}}]


def _vector(feature: Feature) -> list[dict[str, Any]]:
    number = {"type": "number", "minimum": -LARGEST_SINGLE, "maximum": LARGEST_SINGLE}
    found = {"type": "array", "items": number, "minItems": feature.dim, "maxItems": feature.dim}
    return [found, {"type": "array", "maxItems": 0}] if _is_nullable(feature) else [found]


_SCHEMAS = {
    **dict.fromkeys((Kind.ID, Kind.CATEGORICAL, Kind.TEXT), lambda _: [_TEXT]),
    Kind.NUMERIC: _number,
    Kind.TIMESTAMP: lambda _: list(_TIMES),
    Kind.MULTI_VALUED: _texts,
    Kind.VECTOR: _vector,
}
