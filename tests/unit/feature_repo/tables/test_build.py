"""Feature tables: every row recomputed event by event, nothing of the future.

An as-of search finds the Mondays.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.datasets import tiny
from feature_repo.datasets.canonical import Tables
from feature_repo.schema import Entity, Feature, Kind, Schema, View
from feature_repo.tables.build import feature_tables
from tests.logs import (
    ITEMS,
    MOMENTS,
    START,
    Event,
    known,
    microseconds,
    random_event,
    random_events,
    seen,
    tables_of,
)

WEEK, FOUR_WEEKS = timedelta(days=7), timedelta(days=28)
MONDAYS = [START + timedelta(weeks=week) for week in range((MOMENTS[-1] - START) // WEEK + 1)]


def windows(name: str, events: list[Event], moment: datetime) -> dict[str, float]:
    return {
        f"{name}_7d": sum(event["timestamp"] >= moment - WEEK for event in events),
        f"{name}_28d": sum(event["timestamp"] >= moment - FOUR_WEEKS for event in events),
        f"{name}_all": len(events),
    }


def activity(events: list[Event], moment: datetime) -> dict[str, Any]:
    """user_activity of the events known before the moment, by its definition."""
    times = [microseconds(event["timestamp"]) for event in events]
    worth = [event | {"value": event["value"] or 0.0} for event in events]
    baskets = [event["basket_id"] for event in events if event["basket_id"]]
    return windows("events", events, moment) | {
        "first_event": min(times, default=None),
        "last_event": max(times, default=None),
        "spend_28d": sum(event["value"] for event in worth if event["timestamp"] >= moment - FOUR_WEEKS),
        "spend_all": sum(event["value"] for event in worth),
        "basket_size": len(baskets) / len(set(baskets)) if baskets else None,
    }


def statistics(events: list[Event], moment: datetime) -> dict[str, Any]:
    """item_statistics of the events known before the moment, by its definition."""
    times = [microseconds(event["timestamp"]) for event in events]
    recent = [event["value"] for event in events if event["timestamp"] >= moment - FOUR_WEEKS]
    prices = [value for value in recent if value is not None]
    return windows("popularity", events, moment) | {
        "first_sale": min(times, default=None),
        "price_28d": sum(prices) / len(prices) if prices else None,
    }


def assert_same(row: dict[str, Any], wanted: dict[str, Any]) -> None:
    for name in row.keys() - {"user_id", "item_id", "event_timestamp", "created"}:
        assert row[name] == pytest.approx(wanted[name], abs=1e-4), (name, row)


@pytest.mark.parametrize(("value", "basket"), [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("seed", range(4))
def test_user_activity_is_what_counting_gives(seed: int, value: bool, basket: bool) -> None:
    events = random_events(seed)
    table = feature_tables(tables_of(events, value=value, basket=basket), Entity.USER, MOMENTS)["user_activity"]
    assert ("spend_all" in table.columns, "basket_size" in table.columns) == (value, basket)
    assert table.height > 150
    for row in table.iter_rows(named=True):
        moment = row["event_timestamp"]
        assert_same(row, activity(seen(events, "user_id", row["user_id"], moment), moment))


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_item_statistics_are_right_at_any_monday(seed: int, value: bool) -> None:
    """The newest row holds at every Monday after it.

    Rows are stored only when a value may change.
    """
    events = random_events(seed, number=30)  # few, so that items fall silent and are found again
    table = feature_tables(tables_of(events, value=value), Entity.ITEM, MOMENTS)["item_statistics"]
    nothing = {name: 0 for name in table.columns if name.startswith("popularity")} | {"first_sale": None}
    for item in ITEMS:
        rows = table.filter(pl.col("item_id") == item).rows(named=True)
        times = [row["event_timestamp"] for row in rows]
        for monday in MONDAYS:
            newest = bisect_right(times, monday)
            row = rows[newest - 1] if newest else nothing
            assert_same(row, statistics(seen(events, "item_id", item, monday), monday))
    assert table.height <= 5 * len(events) < len(ITEMS) * len(MONDAYS) / 2


def test_an_event_known_after_its_windows_counts_only_in_all() -> None:
    on_time, late = random_events(0, 2)
    on_time |= {"item_id": "i0", "timestamp": MONDAYS[6], "created": MONDAYS[6]}
    late |= {"item_id": "i0", "timestamp": START, "created": MONDAYS[7] + timedelta(days=1)}
    for events in ([on_time, late], [on_time]):
        table = feature_tables(tables_of(events), Entity.ITEM, ())["item_statistics"]
        assert table["popularity_7d"].to_list() == [1.0] * table.height
    table = feature_tables(tables_of([on_time, late]), Entity.ITEM, MOMENTS)["item_statistics"]
    assert table["popularity_all"].to_list() == [1.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    assert table["popularity_28d"].to_list() == [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]


def test_sums_that_run_out_leave_no_noise() -> None:
    events = random_events(0, 2_000)
    table = feature_tables(tables_of(events), Entity.USER, MOMENTS)["user_activity"]
    silent = table.filter((pl.col("events_28d") == 0) & (pl.col("events_all") > 0))
    assert silent.height > 5
    assert silent["spend_28d"].to_list() == [0.0] * silent.height


def rewritten(events: list[Event], moment: datetime, how: str) -> list[Event]:
    """Log with another future: later knowledge is dropped, shuffled or made up."""
    dice = random.Random(how)
    past = [event for event in events if known(event) < moment]
    future = [event for event in events if known(event) >= moment]
    assert past and future
    if how == "drop":
        return past
    if how == "shuffle":
        items = dice.sample([event["item_id"] for event in future], len(future))
        return past + [{**event, "item_id": item} for event, item in zip(future, items, strict=True)]
    made_up = [random_event(dice) for _ in range(80)]
    return past + [event for event in made_up if known(event) >= moment]


@pytest.mark.parametrize("how", ["drop", "shuffle", "make up"])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_known_only_later_changes_nothing(seed: int, how: str) -> None:
    events = random_events(seed)
    for moment in MOMENTS[:2]:
        other = rewritten(events, moment, how)
        for entity, key in ((Entity.USER, "user_id"), (Entity.ITEM, "item_id")):
            wanted = feature_tables(tables_of(events), entity, MOMENTS)
            for name, found in feature_tables(tables_of(other), entity, MOMENTS).items():
                past = wanted[name].filter(pl.col("event_timestamp") <= moment)
                # What users do later decides which of their days have a row, not what stands in it.
                both = past.join(found, on=[key, "event_timestamp"], how="semi")
                assert both.height > 60
                assert_frame_equal(both, found.join(both, on=[key, "event_timestamp"], how="semi"))
                assert entity is Entity.USER or both.height == past.height


@pytest.mark.parametrize("entity", list(Entity))
def test_the_order_of_the_events_does_not_matter(entity: Entity) -> None:
    tables = tables_of(random_events(1))
    shuffled = Tables(
        schema=tables.schema,
        events=tables.events.sample(fraction=1, shuffle=True, seed=0),
        users=tables.users.reverse(),
        items=tables.items.reverse(),
    )
    wanted, found = feature_tables(tables, entity, MOMENTS), feature_tables(shuffled, entity, MOMENTS)
    for name, table in wanted.items():
        assert_frame_equal(table, found[name])


@pytest.mark.parametrize("entity", list(Entity))
def test_tables_have_the_declared_columns_and_one_row_per_key_and_moment(entity: Entity) -> None:
    types = {
        "string": pl.String(),
        "int64": pl.Int64(),
        "float64": pl.Float64(),
        "list[string]": pl.List(pl.String()),
        "list[int64]": pl.List(pl.Int64()),
        "list[float32]": pl.List(pl.Float32()),
    }
    tables = tiny.generate(seed=0)
    built = feature_tables(tables, entity, [START + timedelta(days=60)])
    assert list(built) == [view.name for view in tables.schema.views if view.entity is entity]
    for view in tables.schema.views_of(entity):
        table, key = built[view.name], f"{entity.value}_id"
        wanted = {key: pl.String(), "event_timestamp": pl.Datetime("us"), "created": pl.Datetime("us")}
        assert dict(table.schema) == wanted | {name: types[column] for name, column in view.columns.items()}
        assert not table.select(key, "event_timestamp").is_duplicated().any()
        assert (table["created"] == table["event_timestamp"]).all()


@pytest.mark.parametrize(("entity", "name"), [(Entity.USER, "user_profile"), (Entity.ITEM, "item_profile")])
def test_profiles_hold_before_every_snapshot(entity: Entity, name: str) -> None:
    tables = tiny.generate(seed=0)
    built = feature_tables(tables, entity, ())
    profile = built.pop(name)
    source = tables.users if entity is Entity.USER else tables.items
    assert_frame_equal(profile.drop("event_timestamp", "created"), source, check_column_order=False)
    assert profile["event_timestamp"].n_unique() == 1
    first = profile["event_timestamp"].min()
    assert first <= tables.events["timestamp"].min() < first + WEEK  # type: ignore[operator]
    assert all(table["event_timestamp"].min() >= first for table in built.values())


def test_a_view_that_nothing_computes_is_named() -> None:
    tables = tables_of(random_events(0, 20))
    view = View(name="moods", entity=Entity.USER, features=(Feature(name="mood", kind=Kind.NUMERIC),))
    other = Tables(
        schema=Schema(dataset="log", views=(view,), seen_items_may_return=True),
        events=tables.events,
        users=tables.users,
        items=tables.items,
    )
    with pytest.raises(ValueError, match="moods"):
        feature_tables(other, Entity.USER, ())
    assert feature_tables(other, Entity.ITEM, ()) == {}
