"""JSON Schema of new items: it allows what is accepted, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from feature_repo.datasets.tiny import SCHEMA
from feature_repo.feature import Feature, Kind
from feature_repo.items.item import FieldError, parse_item
from feature_repo.items.json_schema import item_json_schema
from feature_repo.schema import Entity, Schema, View
from tests.unit.feature_repo.items.items_world import RAW

KINDS = [
    Feature(name="text", kind=Kind.TEXT, length=4),
    Feature(name="colour", kind=Kind.CATEGORICAL),
    Feature(name="tags", kind=Kind.MULTI_VALUED, length=2),
    Feature(name="price", kind=Kind.NUMERIC, minimum=0, maximum=10),
    Feature(name="weight", kind=Kind.NUMERIC),
    Feature(name="released", kind=Kind.TIMESTAMP),
    Feature(name="picture", kind=Kind.VECTOR, dim=2),
]
FEATURES = [replace(each, max_null_share=share) for each in KINDS for share in (0, 1)]
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3)
NUMBERS = st.integers() | st.integers(-(10**16), 10**16) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = PLAIN | st.lists(PLAIN, max_size=3) | st.lists(TEXTS, max_size=3) | st.lists(NUMBERS, min_size=2, max_size=2)


def schema_of(feature: Feature) -> Schema:
    view = View(name="item_profile", entity=Entity.ITEM, features=(feature,))
    return Schema(dataset="shop", seen_items_may_return=True, views=(view,))


def accepted(raw: dict[str, Any], schema: Schema) -> bool:
    try:
        parse_item(raw, schema)
    except FieldError:
        return False
    return True


def allowed(raw: dict[str, Any], schema: Schema) -> bool:
    found = item_json_schema(schema)
    Draft202012Validator.check_schema(found)
    return bool(Draft202012Validator(found).is_valid(raw))


def is_unstated(kind: Kind, value: Any) -> bool:
    """Whether no schema can say it: the years of a time in words, and that 1.0 is no whole number."""
    values = value if isinstance(value, list) else [value]
    is_whole = any(isinstance(each, float) and each.is_integer() for each in values)
    return (kind is Kind.TIMESTAMP and isinstance(value, str)) or (is_whole and kind not in (Kind.NUMERIC, Kind.VECTOR))


@pytest.mark.parametrize("feature", FEATURES, ids=lambda each: f"{each.name}, nulls {each.max_null_share:g}")
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(VALUES)
@example([])
@example([""])
@example(["", "a"])
@example([1, 2])
@example([1, 1e300])
@example(10**400)
@example(10**12)
@example(10**15)
@example(-1)
@example(None)
def test_a_value_is_accepted_if_the_schema_allows_it(feature: Feature, value: Any) -> None:
    assume(not is_unstated(feature.kind, value))
    schema, raw = schema_of(feature), {"item_id": "n1", feature.name: value}
    assert allowed(raw, schema) == accepted(raw, schema)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"item_id": ""},
        {"item_id": "n" * 256},
        {"item_id": "n" * 257},
        {"item_id": 7},
        {"item_id": None},
        {"colour": "red"},
        {"title": "a" * 65_535},
        {"title": "a" * 65_536},
        {"released": datetime(2024, 3, 1, 12).isoformat() + "Z"},
    ],
)
def test_an_item_is_accepted_if_the_schema_allows_it(changes: dict[str, Any]) -> None:
    assert allowed(RAW | changes, SCHEMA) == accepted(RAW | changes, SCHEMA)


@pytest.mark.parametrize("name", RAW)
def test_a_missing_field_is_accepted_if_the_schema_allows_it(name: str) -> None:
    raw = {other: value for other, value in RAW.items() if other != name}
    assert allowed(raw, SCHEMA) == accepted(raw, SCHEMA)


def test_limits_in_words_are_those_of_the_check() -> None:
    properties = item_json_schema(SCHEMA)["properties"]
    assert "first 8 count" in properties["tags"]["description"]
    assert "from 1800 to 2200" in properties["released"]["description"]
