"""Interactions and the snapshots they point at."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.schema import Entity
from feature_repo.tables.build import feature_tables
from tests.logs import GRANULARITIES, ITEMS, MOMENTS, START, USERS, Event, known, random_event, random_events, tables_of
from training.data.interactions import at, interactions, item_rows, query_rows
from training.data.popularity import popular_items

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
UNTIL = MOMENTS[0]


def positives_of(events: list[Event], until: datetime = UNTIL, granularity: str = "day") -> pl.DataFrame:
    return interactions(tables_of(events).events, until, granularity)


def floor(moment: datetime, step: timedelta) -> datetime:
    """Days and weeks are counted from START, a Monday."""
    return START + (moment - START) // step * step


@pytest.mark.parametrize("until", MOMENTS)
@pytest.mark.parametrize("seed", range(3))
def test_one_positive_per_user_day_and_item(seed: int, until: datetime) -> None:
    events = random_events(seed, 400)
    first: dict[tuple[str, datetime, str], datetime] = {}
    values: dict[tuple[str, datetime, str], list[float]] = {}
    for event in sorted(events, key=lambda event: event["timestamp"]):
        if known(event) < until:
            key = event["user_id"], floor(event["timestamp"], DAY), event["item_id"]
            first.setdefault(key, event["timestamp"])
            values.setdefault(key, []).extend([] if event["value"] is None else [event["value"]])
    wanted = [(*key, floor(time, WEEK), time, 1.0) for key, time in sorted(first.items())]
    found = positives_of(events, until)
    assert found.drop("value").rows() == wanted
    sums = [sum(values[key]) if values[key] else None for key in sorted(values)]
    assert found["value"].to_list() == pytest.approx(sums)
    assert None in sums and any(len(each) > 1 for each in values.values())


def test_without_values_there_is_no_sum_of_them() -> None:
    assert "value" not in interactions(tables_of(random_events(0), value=False).events, UNTIL).columns


def test_snapshots_lie_before_the_interaction() -> None:
    found = positives_of(random_events(0))
    assert found.select((pl.col("query_time") <= pl.col("timestamp")).all()).item()
    assert found.select((pl.col("item_time") <= pl.col("timestamp")).all()).item()
    assert found.schema["weight"] == pl.Float32


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_what_is_known_only_later_changes_nothing(granularity: str) -> None:
    events, dice = random_events(1), random.Random(0)
    past = [event for event in events if known(event) < UNTIL]
    future = [event for event in (random_event(dice) for _ in range(200)) if known(event) >= UNTIL]
    assert 0 < len(past) < len(events)
    assert any(event["timestamp"] < UNTIL for event in future)
    wanted = positives_of(events, granularity=granularity)
    assert_frame_equal(positives_of(past, granularity=granularity), wanted)
    assert_frame_equal(positives_of(past + future, granularity=granularity), wanted)


def test_every_query_has_a_row_in_the_user_tables() -> None:
    tables = tables_of(random_events(2))
    asked = query_rows(interactions(tables.events, UNTIL), tables.users["user_id"], MOMENTS)
    built = feature_tables(tables, Entity.USER, MOMENTS)
    for table in built.values():
        assert asked.join(table, on=["user_id", "event_timestamp"], how="anti").is_empty()


@pytest.mark.parametrize("moments", [(), MOMENTS[:1], MOMENTS])
def test_queries_are_those_of_the_positives_and_everybody_at_each_moment(moments: tuple[datetime, ...]) -> None:
    positives = positives_of(random_events(3))
    wanted = set(positives.select("user_id", "query_time").rows()) | {(user, at) for user in USERS for at in moments}
    found = query_rows(positives, pl.Series("anyone", USERS), moments)
    assert found.columns == ["user_id", "event_timestamp"]
    assert found.rows() == sorted(wanted)


@pytest.mark.parametrize("moments", [(), MOMENTS[:1], MOMENTS])
def test_items_are_those_of_the_positives_and_the_corpus_in_each_week(moments: tuple[datetime, ...]) -> None:
    positives = positives_of(random_events(3))
    mondays = [floor(moment, WEEK) for moment in moments]
    wanted = set(positives.select("item_id", "item_time").rows()) | {(item, at) for item in ITEMS for at in mondays}
    found = item_rows(positives, pl.Series("anything", ITEMS), moments)
    assert found.columns == ["item_id", "event_timestamp"]
    assert found.rows() == sorted(wanted)


def test_the_rows_of_a_moment_are_found_in_the_order_of_their_keys() -> None:
    positives = positives_of(random_events(4))
    queries = query_rows(positives, pl.Series(USERS), MOMENTS).sample(fraction=1, shuffle=True, seed=0)
    items = item_rows(positives, pl.Series(ITEMS), MOMENTS).sample(fraction=1, shuffle=True, seed=0)
    assert at(queries, MOMENTS[1]).rows() == [(user, MOMENTS[1]) for user in sorted(USERS)]
    assert at(items, MOMENTS[1], week=True).rows() == [(item, floor(MOMENTS[1], WEEK)) for item in sorted(ITEMS)]


def test_popular_items_count_the_newest_days_first() -> None:
    start = datetime(2024, 1, 1)
    days = {"old": [0] * 9, "tie_b": [40, 41], "tie_a": [42, 50], "top": [45, 46, 47]}
    pairs = [(item, start + timedelta(days=day)) for item, at_days in days.items() for day in at_days]
    events = pl.DataFrame(pairs, schema={"item_id": pl.String, "timestamp": pl.Datetime("us")}, orient="row")
    corpus = pl.Series(["never_b", "never_a", *days])
    ranked = [("top", 3), ("tie_a", 2), ("tie_b", 2), ("old", 0), ("never_a", 0), ("never_b", 0)]
    assert popular_items(events, corpus, days=28) == ranked
    assert popular_items(events, corpus, days=28, number=1) == [("top", 3)]
