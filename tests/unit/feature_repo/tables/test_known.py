"""Tables as they were: nothing that became known later is in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
import pytest

from feature_repo.errors import InputError
from feature_repo.schema import Schema
from feature_repo.tables.known import known_at
from tests.worlds import START, taste_groups

MOMENT = START + timedelta(days=20)


def test_an_event_counts_from_when_it_is_known() -> None:
    world = taste_groups()
    late = pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.col("created") + pl.duration(days=2)).otherwise("created")
    events = world.events.with_columns(created=late)
    found = known_at(replace(world, events=events, impressions=events), MOMENT)
    for frame in (found.events, found.impressions):
        assert frame is not None
        assert max(frame["timestamp"].max(), frame["created"].max()) < MOMENT  # type: ignore[type-var]
        assert frame.height == events.filter(pl.col("timestamp") < MOMENT, pl.col("created") < MOMENT).height
    assert found.users.equals(world.users) and found.items.equals(world.items)


def test_entities_of_events_alone_come_with_their_first_event() -> None:
    world = taste_groups()
    views = tuple(view for view in world.schema.views if not view.name.endswith("_profile"))
    new = world.events.head(1).with_columns(item_id=pl.lit("new"), timestamp=MOMENT, created=MOMENT)
    plain: Schema = replace(world.schema, views=views)
    items = pl.concat([world.items, world.items.head(1).with_columns(item_id=pl.lit("new"))])
    tables = replace(world, schema=plain, events=pl.concat([world.events, new]), items=items)
    assert "new" not in known_at(tables, MOMENT).items["item_id"]
    assert "new" in known_at(tables, MOMENT + timedelta(seconds=1)).items["item_id"]


def test_what_came_of_an_impression_later_is_not_known_yet() -> None:
    world = taste_groups()
    at, later = MOMENT - timedelta(hours=1), MOMENT + timedelta(hours=1)
    shown = world.events.head(4).select("user_id", "item_id", timestamp=pl.lit(at), created=pl.lit(at))
    shown = shown.with_columns(
        click=pl.Series([True, True, False, None]),
        reward=pl.Series([1.0, 2.0, None, None]),
        click_known=pl.Series([at, MOMENT, None, None]),
        reward_known=pl.Series([later, at, None, None]),
    )
    found = known_at(replace(world, impressions=shown), MOMENT).impressions
    assert found is not None
    assert found["click"].to_list() == [True, False, False, None]
    assert found["reward"].to_list() == [None, 2.0, None, None]
    assert found.select("click_known", "reward_known").rows() == [(at, None), (None, at), (None, None), (None, None)]
    whole = known_at(replace(world, impressions=shown), later + timedelta(seconds=1)).impressions
    assert whole is not None and whole.equals(shown)


def test_too_early_a_moment_is_refused() -> None:
    with pytest.raises(InputError, match="0 users had an event that was known before 2023"):
        known_at(taste_groups(), datetime(2023, 1, 1))
