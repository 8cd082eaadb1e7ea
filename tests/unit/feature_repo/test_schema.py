"""Declarations: refusals, the digest, and JSON without loss."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from feature_repo.datasets import completejourney, tiny
from feature_repo.event_kinds import Role
from feature_repo.schema import Entity, Feature, Kind, Schema, View, stored_name
from feature_repo.standard_views import item_statistics_view, user_activity_view, user_history_view

SCHEMA = Schema(
    dataset="shop",
    seen_items_may_return=True,
    views=(
        View(
            name="item_profile",
            entity=Entity.ITEM,
            description="what is known of an item",
            features=(
                Feature(name="brand", kind=Kind.CATEGORICAL, description="who makes it", max_null_share=0.5),
                Feature(name="price", kind=Kind.NUMERIC, minimum=0, maximum=10, filterable=True),
                Feature(name="title", kind=Kind.TEXT, length=8, display=True, tower=False),
                Feature(name="face", kind=Kind.VECTOR, dim=3),
            ),
        ),
        user_history_view(length=7),
    ),
)

PRICE = SCHEMA.views[0].features[1]


def with_price(price: Feature) -> Schema:
    profile, *others = SCHEMA.views
    features = (profile.features[0], price, *profile.features[2:])
    return replace(SCHEMA, views=(replace(profile, features=features), *others))


@pytest.mark.parametrize("schema", [SCHEMA, tiny.SCHEMA, completejourney.SCHEMA], ids=lambda schema: schema.dataset)
def test_json_keeps_everything(schema: Schema) -> None:
    again = Schema.from_json(schema.to_json())
    assert again == schema
    assert again.digest == schema.digest
    assert isinstance(again.views[0].entity, Entity)
    assert isinstance(again.views[0].features[0].kind, Kind)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "cost"},
        {"kind": Kind.TIMESTAMP, "filterable": False},
        {"description": "in euros"},
        {"minimum": 1},
        {"maximum": 11},
        {"maximum": None},
        {"max_null_share": 0.5},
        {"length": 3},
        {"dim": 3},
        {"tower": False},
        {"filterable": False},
        {"display": True},
        {"scale": "linear"},
        {"kind": Kind.CATEGORICAL, "hashed": 9},
        {"kind": Kind.CATEGORICAL, "min_count": 2},
        {"kind": Kind.TIMESTAMP, "filterable": False, "cycles": ("day", "year")},
        {"kind": Kind.TEXT, "filterable": False, "length": 9, "ngrams": (3, 5)},
        {"kind": Kind.TEXT, "filterable": False, "length": 9, "encoder": "words.pt2", "dim": 4},
    ],
    ids=str,
)
def test_the_digest_covers_every_field_of_a_feature(change: dict[str, Any]) -> None:
    other = with_price(replace(PRICE, **change))
    assert other.digest != SCHEMA.digest
    assert Schema.from_json(other.to_json()) == other


def test_encoding_options_at_their_default_do_not_change_the_digest() -> None:
    """Feast views that a kept release reads from are named after it."""
    declared = [each for view in json.loads(SCHEMA.to_json())["views"] for each in view["features"]]
    assert not {"hashed", "min_count", "scale", "cycles", "ngrams", "encoder"} & {name for f in declared for name in f}
    assert {"length", "dim", "tower"} <= declared[0].keys()


def test_snapshots_and_kinds_are_kept_and_their_default_changes_no_digest() -> None:
    assert "snapshots" not in json.loads(SCHEMA.to_json())
    for text in ("day", "session 2h", "event"):
        assert Schema.from_json(replace(SCHEMA, snapshots=text).to_json()).snapshots == text
    own = replace(SCHEMA, kinds=(("saved", Role.INTERACTION), ("shown", Role.IMPRESSION)))
    assert "kinds" not in json.loads(SCHEMA.to_json())
    assert Schema.from_json(own.to_json()) == own
    with pytest.raises(ValueError, match="snapshots is 'hour'; wanted day, event"):
        replace(SCHEMA, snapshots="hour")


def test_windows_are_kept_and_change_no_digest() -> None:
    """Feast views that a kept release reads from are named after it."""
    assert not {"holdout", "validation"} & json.loads(SCHEMA.to_json()).keys()
    other = replace(SCHEMA, holdout="20%", validation="7d")
    assert Schema.from_json(other.to_json()) == other != SCHEMA
    assert other.digest == SCHEMA.digest
    with pytest.raises(ValueError, match="holdout is '2w'; wanted whole days such as 14d"):
        replace(SCHEMA, holdout="2w")
    with pytest.raises(ValueError, match="validation is '20%'; wanted whole days"):
        replace(SCHEMA, validation="20%")


@pytest.mark.parametrize(
    "other",
    [
        replace(SCHEMA, dataset="shop2"),
        replace(SCHEMA, seen_items_may_return=False),
        replace(SCHEMA, snapshots="session 30m"),
        replace(SCHEMA, kinds=(("saved", Role.INTERACTION),)),
        replace(SCHEMA, views=SCHEMA.views[:1]),
        replace(SCHEMA, views=SCHEMA.views[::-1]),
        replace(SCHEMA, views=(replace(SCHEMA.views[0], name="items"), SCHEMA.views[1])),
        replace(SCHEMA, views=(replace(SCHEMA.views[0], description=""), SCHEMA.views[1])),
        replace(SCHEMA, views=(replace(SCHEMA.views[0], entity=Entity.USER), SCHEMA.views[1])),
        replace(SCHEMA, views=(replace(SCHEMA.views[0], features=SCHEMA.views[0].features[:2]), SCHEMA.views[1])),
    ],
)
def test_the_digest_covers_every_field_of_views_and_schema(other: Schema) -> None:
    assert other.digest != SCHEMA.digest


def test_the_digest_is_the_same_in_every_process() -> None:
    code = "from feature_repo.datasets.tiny import SCHEMA; print(SCHEMA.digest)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert found == tiny.SCHEMA.digest
    assert len(found) == 8 and int(found, 16) >= 0


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ({"name": "unit price", "kind": Kind.NUMERIC}, "'unit price'"),
        ({"name": "", "kind": Kind.NUMERIC}, "letters"),
        ({"name": "face", "kind": Kind.VECTOR}, "dim"),
        ({"name": "face", "kind": Kind.VECTOR, "dim": -1}, "dim"),
        ({"name": "title", "kind": Kind.TEXT}, "length"),
        ({"name": "tags", "kind": Kind.MULTI_VALUED, "length": 0}, "length"),
        ({"name": "history", "kind": Kind.HISTORY, "length": -5}, "length"),
        ({"name": "price", "kind": Kind.NUMERIC, "minimum": 2, "maximum": 1}, "minimum 2"),
        ({"name": "price", "kind": Kind.NUMERIC, "max_null_share": 50}, "max_null_share 50"),
        ({"name": "title", "kind": Kind.TEXT, "length": 8, "filterable": True}, "filtered"),
        ({"name": "price", "kind": Kind.NUMERIC, "hashed": 8}, "hashed=8 on a numeric feature; only id, categorical"),
        ({"name": "brand", "kind": Kind.CATEGORICAL, "hashed": 0}, "at least one bucket"),
        ({"name": "brand", "kind": Kind.CATEGORICAL, "hashed": 8, "min_count": 2}, "no min_count"),
        ({"name": "brand", "kind": Kind.CATEGORICAL, "min_count": 0}, "min_count 0"),
        ({"name": "price", "kind": Kind.NUMERIC, "scale": "square"}, "'square', wanted log or linear"),
        ({"name": "born", "kind": Kind.TIMESTAMP, "cycles": ("month",)}, "some of day, week, year"),
        ({"name": "born", "kind": Kind.TIMESTAMP, "cycles": ("day", "day")}, "each once"),
        ({"name": "now", "kind": Kind.MOMENT}, r"needs cycles"),
        ({"name": "title", "kind": Kind.TEXT, "length": 8, "ngrams": (5, 3)}, "shortest, longest"),
        ({"name": "title", "kind": Kind.TEXT, "length": 8, "ngrams": (3,)}, "two whole numbers"),
        ({"name": "title", "kind": Kind.TEXT, "length": 8, "encoder": "words.pt2"}, "needs its width"),
    ],
    ids=lambda value: str(value),
)
def test_features_that_make_no_sense_are_refused(declared: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Feature(**declared)


def view(*names: str, name: str = "item_profile", kind: Kind = Kind.NUMERIC) -> View:
    features = tuple(Feature(name=each, kind=kind, length=3) for each in names)
    return View(name=name, entity=Entity.ITEM, features=features)


@pytest.mark.parametrize(
    ("views", "problem"),
    [
        ((view("price", "price"),), "columns twice: price"),
        ((view("price"), view("price", name="other")), "columns twice: price"),
        ((user_history_view(), view("history_items")), "columns twice: history_items"),
        ((user_history_view(), view("history")), "features twice: history"),
        ((view("price"), view("cost")), "views twice: item_profile"),
        ((view("created"),), "created"),
        ((view("event_timestamp"),), "event_timestamp"),
        ((view("item_id"),), "item_id"),
        ((view("user_id"),), "user_id"),
        ((view("now_", "user_embedding"),), "user_embedding name a key, a time, or an array"),
        ((user_history_view(), view("history_ages")), "history_ages name"),
        ((view("created", kind=Kind.TEXT),), "created name"),
    ],
)
def test_names_must_be_free(views: tuple[View, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Schema(dataset="shop", views=views, seen_items_may_return=True)


@pytest.mark.parametrize("dataset", ["", "Shop", "my shop", "../shop", "1shop", "_shop", "a" * 101])
def test_dataset_names_are_fit_for_files_and_collections(dataset: str) -> None:
    with pytest.raises(ValueError, match="lower-case"):
        replace(SCHEMA, dataset=dataset)


@pytest.mark.parametrize("dataset", ["select", "class", "läden", "日本", "i\u0307", "магазин", "a" * 100])
def test_stores_know_a_dataset_by_an_ascii_name(dataset: str) -> None:
    assert replace(SCHEMA, dataset=dataset).dataset == dataset
    stored = stored_name(dataset)
    assert re.fullmatch(r"[a-z][a-z0-9_]*", stored)
    assert stored == dataset or not dataset.isascii()
    assert stored_name(f"{dataset}2") != stored


def test_views_are_found_by_name_and_entity() -> None:
    assert SCHEMA.view("user_history").entity is Entity.USER
    assert [each.name for each in SCHEMA.views_of(Entity.ITEM)] == ["item_profile"]
    assert [each.name for each in SCHEMA.features_of(Entity.ITEM)] == ["brand", "price", "title", "face"]
    with pytest.raises(KeyError, match="item_profile"):
        SCHEMA.view("item_stats")


def test_a_history_has_three_columns() -> None:
    assert list(user_history_view().columns) == ["history_items", "history_times", "history_counts", "history_decayed"]


def test_views_declare_only_what_the_events_carry() -> None:
    assert "price_28d" not in item_statistics_view(value=False).columns
    all_, none = (set(user_activity_view(value=there, basket=there).columns) for there in (True, False))
    assert all_ - none == {"spend_28d", "spend_all", "basket_size"}


def test_the_json_is_plain_json() -> None:
    assert json.loads(SCHEMA.to_json())["views"][0]["features"][0]["kind"] == "categorical"
