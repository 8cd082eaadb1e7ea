"""Good raw tables of a small shop, and readers of changed ones."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from feature_repo.datasets.canonical import Tables, canonicalise
from feature_repo.datasets.raw_table import RawTable
from feature_repo.errors import InputError
from feature_repo.schema import Entity, Feature, Kind, Schema, View

SCHEMA = Schema(
    dataset="shop",
    seen_items_may_return=True,
    views=(
        View(name="user_profile", entity=Entity.USER, features=(Feature(name="city", kind=Kind.CATEGORICAL),)),
        View(
            name="item_profile",
            entity=Entity.ITEM,
            features=(
                Feature(name="weight", kind=Kind.NUMERIC),
                Feature(name="tags", kind=Kind.MULTI_VALUED, length=4),
                Feature(name="released", kind=Kind.TIMESTAMP),
                Feature(name="image", kind=Kind.VECTOR, dim=2),
            ),
        ),
    ),
)
MONDAY = datetime(2024, 1, 1)
USERS = [f"u{n}" for n in range(20)]
ITEMS = [f"i{n}" for n in range(5)]


def good_events() -> pl.DataFrame:
    """200 events: every user and item often, all times different."""
    return pl.DataFrame(
        {
            "who": [USERS[n % 20] for n in range(200)],
            "what": [ITEMS[n % 5] for n in range(200)],
            "when": [MONDAY + timedelta(hours=n) for n in range(200)],
            "loaded": [MONDAY + timedelta(hours=n, minutes=5) for n in range(200)],
            "paid": [float(n) for n in range(200)],
        }
    )


def good_users() -> pl.DataFrame:
    return pl.DataFrame({"who": USERS, "town": ["Bern", None] * 10})


def good_items() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "what": ITEMS,
            "grams": [1, 2, None, 4, 5],
            "tags": ["a||b", "b", None, "a", "c | a"],
            "since": [
                "2023-01-01",
                "2023-01-01 12:00:00",
                "2023-01-01T12:00:00.5Z",
                None,
                "2023-01-01T12:00:00+02:00",
            ],
            "image": ["[1, 2]", "1|2", None, "[0.5,-1]", "3|4"],
        }
    )


def read(
    events: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    items: pl.DataFrame | None = None,
    as_of: datetime | None = None,
    shown: pl.DataFrame | None = None,
) -> Tables:
    """The good tables, with those given in their place."""
    event_columns = {
        "user_id": "who",
        "item_id": "what",
        "timestamp": "when",
        "created": "loaded",
        "value": "paid",
    }
    item_columns = {
        "item_id": "what",
        "weight": "grams",
        "tags": "tags",
        "released": "since",
        "image": "image",
    }
    return canonicalise(
        SCHEMA,
        events=RawTable(name="events.csv", frame=good_events() if events is None else events, columns=event_columns),
        users=RawTable(
            name="users.csv",
            frame=good_users() if users is None else users,
            columns={"user_id": "who", "city": "town"},
        ),
        items=RawTable(name="items.csv", frame=good_items() if items is None else items, columns=item_columns),
        impressions=None if shown is None else impressions_file(shown),
        as_of=as_of,
    )


def read_impressions(shown: RawTable) -> pl.DataFrame:
    """Canonical impressions of a raw table, beside the good tables."""
    named = {"user_id": "who", "item_id": "what", "timestamp": "when"}
    events = RawTable(name="events.csv", frame=good_events(), columns=named)
    plain = Schema(dataset="shop", seen_items_may_return=True, views=())
    found = canonicalise(plain, events=events, users=None, items=None, impressions=shown).impressions
    assert found is not None
    return found


def impressions_file(shown: pl.DataFrame) -> RawTable:
    columns = {"user_id": "who", "item_id": "what", "timestamp": "when", "created": "loaded"}
    return RawTable(name="shown.csv", frame=shown, columns=columns)


def set_rows(frame: pl.DataFrame, column: str, rows: list[int], value: object) -> pl.DataFrame:
    """The frame with another value in some rows of a column."""
    values = frame[column].to_list()
    for row in rows:
        values[row] = value
    return frame.with_columns(pl.Series(column, values, strict=False))


def assert_names(error: pytest.ExceptionInfo[InputError], *wanted: str) -> None:
    for text in wanted:
        assert text in str(error.value)
