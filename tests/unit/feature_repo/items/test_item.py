"""Check of new items, against the expectations of the item table."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.datasets.tiny import SCHEMA
from feature_repo.items.item import FieldError, NewItem, parse_item
from feature_repo.schema import CREATED_TIME, ENTITY_TIME, View
from feature_repo.tables.types import table_types
from feature_repo.validation.expectations import validate
from tests.unit.feature_repo.items.items_world import RAW, item

VIEW = SCHEMA.view("item_profile")
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.text(max_size=2), max_size=10),
    st.lists(st.floats(), min_size=4, max_size=4),
    st.integers(-(10**16), 10**16),
    st.datetimes().map(datetime.isoformat),
)
FITTING: dict[str, st.SearchStrategy[Any]] = {
    "category": st.text(min_size=1, max_size=5),
    "tags": st.lists(st.text(max_size=2), max_size=10),
    "list_price": st.none() | st.floats(min_value=0, max_value=1e9),
    "released": st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(datetime.isoformat),
    "picture": st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4),
}
RAWS = st.fixed_dictionaries(
    {}, optional={feature.name: VALUES | FITTING.get(feature.name, VALUES) for feature in VIEW.features}
)
FITS = st.fixed_dictionaries({}, optional=FITTING)


def table(view: View, *rows: dict[str, Any]) -> pl.DataFrame:
    """Feature table of canonical values, as a run makes it."""
    times = dict.fromkeys((ENTITY_TIME, CREATED_TIME), datetime(2024, 1, 1))
    return pl.DataFrame([{**row, **times} for row in rows], schema=table_types(view))


def row(found: NewItem) -> dict[str, Any]:
    return {"item_id": found.item_id, **found.fields}


def test_values_take_the_form_of_the_canonical_items() -> None:
    found = item(category=12, picture=[0.1, 1, 2, 3], tags=["a", "", "b"])
    assert found.fields["category"] == "12"
    assert found.fields["tags"] == ["a", "b"]
    assert found.fields["list_price"] == 7.0
    assert found.fields["released"] == (datetime(2024, 3, 1, 10) - datetime(1970, 1, 1)).total_seconds() * 1e6
    assert table(VIEW, row(found))["picture"].to_list() == [found.fields["picture"]]
    assert item(tags=[]).fields["tags"] is None
    assert len(item(tags=list("abcdefghij")).fields["tags"]) == VIEW.features[1].length


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"item_id": None}, "field 'item_id' is missing"),
        ({"item_id": 7}, "field 'item_id' is 7; wanted a text of 1 to 256 characters"),
        ({"colour": "red"}, "field 'colour' is unknown; there are item_id, category, tags"),
        ({"category": None}, "field 'category' is missing; it is never null"),
        ({"category": ["tea"]}, "field 'category' is ['tea']; wanted a text"),
        ({"title": []}, "field 'title' is []; wanted a text"),
        ({"list_price": []}, "field 'list_price' is []; wanted a finite number"),
        ({"category": "\ud800"}, "half a surrogate pair"),
        ({"title": "a" * 70_000}, "at most 65,535 bytes"),
        ({"list_price": -1}, "field 'list_price' is -1; wanted a number of at least 0"),
        ({"list_price": float("nan")}, "field 'list_price' is nan; wanted a finite number"),
        ({"list_price": 10**400}, "wanted a finite number"),
        ({"list_price": True}, "wanted a finite number"),
        ({"released": "yesterday"}, "field 'released' is 'yesterday'; wanted an ISO time"),
        ({"released": "0001-01-01T00:00:00+14:00"}, "wanted an ISO time"),
        ({"released": 1_700_000_000}, "in microseconds"),
        ({"released": "2300-01-01"}, "a time from 1800 to 2200"),
        ({"tags": "gift"}, "field 'tags' is 'gift'; wanted a list of texts"),
        ({"tags": [None]}, "field 'tags' is None; wanted a text"),
        ({"picture": [1, 2, 3]}, "field 'picture' is [1, 2, 3]; wanted a list of 4 finite numbers"),
        ({"picture": [1, 2, 3, 1e300]}, "single precision"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FieldError) as error:
        parse_item(RAW | changes, SCHEMA)
    assert message in str(error.value)
    assert error.value.field == next(iter(changes))


def test_items_are_read_again_as_they_are_and_meet_the_expectations_of_a_run(tmp_path: Path) -> None:
    found = [row(item())]

    @settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=40)
    @given(FITS | RAWS)
    def collect(raw: dict[str, Any]) -> None:
        try:
            parsed = parse_item(RAW | raw | {"item_id": f"other{len(found)}"}, SCHEMA)
        except FieldError:
            return
        assert parse_item(row(parsed), SCHEMA) == parsed
        found.append(row(parsed))

    collect()
    assert len(found) > 10
    assert validate(VIEW, table(VIEW, *found), docs=tmp_path).failures == ()


def test_what_the_expectations_refuse_is_refused(tmp_path: Path) -> None:
    several = [
        ("category", None),
        ("list_price", -1.0),
        ("list_price", float("inf")),
        ("released", 10**17),
        ("picture", [0.0] * 3),
        ("picture", [0.0, 0.0, 0.0, float("nan")]),
    ]
    for number, values in enumerate((several, [("released", 1_700_000_000)])):
        bad = [row(item(f"n{n}")) | {name: value} for n, (name, value) in enumerate(values)]
        failures = validate(VIEW, table(VIEW, *bad), docs=tmp_path / str(number)).failures
        for name, _ in values:
            assert any(f"column {name!r}" in failure for failure in failures)
        assert len(failures) == len(values)
        for each in bad:
            with pytest.raises(FieldError):
                parse_item(each, SCHEMA)
