"""Frames become a dataset, or an error that says what is wrong with them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.errors import InputError
from feature_repo.schema import ITEM_ID, USER_ID, Entity, Kind
from orchestration.api.dataset import Dataset
from tests.unit.orchestration.api.api_world import dataset, frames

EVENTS, USERS, ITEMS = frames()
IN_SECONDS = EVENTS.with_columns(pl.col("timestamp").dt.epoch("s"))


def kinds(data: Dataset, entity: Entity) -> dict[str, str]:
    return {feature.name: feature.kind.value for feature in data.schema.features_of(entity)}


def test_pandas_and_polars_give_the_same() -> None:
    given = EVENTS, USERS, ITEMS.drop("tags", "picture")
    ours = Dataset.from_frames(*given, value="value", basket="basket_id")
    theirs = Dataset.from_frames(*(frame.to_pandas() for frame in given), value="value", basket="basket_id")
    for table in ("events", "users", "items"):
        assert_frame_equal(getattr(ours.tables, table), getattr(theirs.tables, table))
    assert ours.schema == theirs.schema


def test_a_lazy_frame_is_collected() -> None:
    assert Dataset.from_frames(EVENTS.lazy()).tables.events.height == EVENTS.height


@pytest.mark.parametrize(
    ("events", "epoch"),
    [
        (EVENTS.with_columns(pl.col("timestamp").dt.strftime("%Y-%m-%d %H:%M:%S")), None),
        (IN_SECONDS, "s"),
        (EVENTS.with_columns(pl.col("timestamp").dt.replace_time_zone("UTC")), None),
    ],
    ids=["text", "epoch", "zoned"],
)
def test_times_may_be_text_epochs_or_zoned(events: pl.DataFrame, epoch: Any) -> None:
    assert_frame_equal(
        Dataset.from_frames(events, epoch=epoch).tables.events, Dataset.from_frames(EVENTS).tables.events
    )


def test_features_are_guessed_or_declared() -> None:
    guessed = Dataset.from_frames(EVENTS, USERS, ITEMS)
    assert kinds(guessed, Entity.ITEM)["category"] == Kind.CATEGORICAL
    assert kinds(guessed, Entity.ITEM)["picture"] == Kind.VECTOR
    assert [feature.name for feature in guessed.schema.features_of(Entity.ITEM) if feature.display] == ["title"]
    declared = Dataset.from_frames(EVENTS, USERS, ITEMS, item_features={"kind": {"kind": "id", "column": "category"}})
    assert next(iter(kinds(declared, Entity.ITEM))) == "kind"
    assert "title" not in kinds(declared, Entity.ITEM)


def test_other_column_names_and_whole_numbered_ids_are_taken() -> None:
    events = EVENTS.select(customer=pl.col(USER_ID).str.slice(1).cast(pl.Int64), sku=ITEM_ID, at="timestamp")
    data = Dataset.from_frames(events, user="customer", item="sku", timestamp="at")
    assert data.tables.events[USER_ID].dtype == pl.String
    assert set(data.tables.users[USER_ID]) == set(events["customer"].cast(pl.String))


def test_whether_items_return_is_found_and_noted() -> None:
    data = Dataset.from_frames(EVENTS)
    assert data.schema.seen_items_may_return
    assert "seen items may return" in data.notes[0]
    once = Dataset.from_frames(EVENTS.unique([USER_ID, ITEM_ID]))
    assert not once.schema.seen_items_may_return
    told = Dataset.from_frames(EVENTS, seen_items_may_return=False)
    assert not told.schema.seen_items_may_return


def test_the_granularity_of_snapshots_is_found_and_noted() -> None:
    data = Dataset.from_frames(EVENTS)
    assert data.schema.snapshots == "day"
    assert data.notes[-1].startswith("snapshots by day: interactions without a history in training: day ")
    first = EVENTS["timestamp"].min()
    own_day = pl.duration(days=pl.col(USER_ID).rank("dense"), minutes=pl.int_range(pl.len()).over(USER_ID))
    sitting = Dataset.from_frames(EVENTS.with_columns(timestamp=pl.lit(first) + own_day))
    assert sitting.schema.snapshots == "event"
    assert any("day 100%, session 30m 100%, event" in note for note in sitting.notes)
    assert Dataset.from_frames(EVENTS, snapshots="session 2h").schema.snapshots == "session 2h"


def test_low_ratings_are_no_positives() -> None:
    rated = EVENTS.with_columns(stars=pl.int_range(pl.len()) % 5 + 1)
    data = Dataset.from_frames(rated, rating="stars", positive_from=4)
    assert data.tables.events.height == rated.filter(pl.col("stars") >= 4).height
    assert any("are below 4: no positives, dropped" in note for note in data.notes)


@pytest.mark.parametrize(
    ("events", "options", "message"),
    [
        (EVENTS.drop(ITEM_ID), {}, r"missing 'item_id' \(item_id\); the frame has user_id, timestamp"),
        (EVENTS.drop("timestamp"), {}, "read_untimed"),
        (EVENTS, {"timestamp": None}, "fit_untimed"),
        (EVENTS, {"value": "price"}, r"missing 'price' \(value\)"),
        (IN_SECONDS, {}, "wrong type Int64; wanted times, or `epoch: s`"),
        (EVENTS.with_columns(timestamp=pl.lit("soon")), {}, "not a time"),
        (EVENTS.with_columns(user_id=pl.lit(None)), {}, "null or blank id"),
        (EVENTS.with_columns(user_id=pl.lit(1.5)), {}, "wrong type Float64"),
        (EVENTS.head(0), {}, "empty table"),
        (EVENTS.filter(pl.col(USER_ID) == "u1"), {}, "wanted at least 10"),
        (EVENTS.with_columns(stars=pl.lit(3)), {"rating": "stars"}, "ratings without a threshold.*3: 7,748"),
        (EVENTS.rows(), {}, "got a builtins.list; wanted a polars or pandas DataFrame"),
        (EVENTS, {"users": USERS.drop(USER_ID)}, r"users: missing 'user_id'"),
        (EVENTS, {"users": pl.concat([USERS, USERS.head(1)])}, "duplicate id"),
        (EVENTS, {"items": ITEMS.head(100)}, "ids missing from items"),
        (EVENTS, {"item_features": {"title": "text"}}, "no frame has them; give items="),
        (EVENTS, {"items": ITEMS, "item_features": {"title": "prose"}}, "unknown kind 'prose'"),
        (EVENTS, {"items": ITEMS, "item_features": {"colour": "categorical"}}, "missing column"),
    ],
)
def test_bad_frames_are_refused(events: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Dataset.from_frames(events, **options)


def test_mixed_pandas_columns_are_refused() -> None:
    mixed = EVENTS.to_pandas().astype({USER_ID: object})
    mixed.loc[0, USER_ID] = 7
    with pytest.raises(InputError, match="events: a pandas column mixes types"):
        Dataset.from_frames(mixed)


def test_features_are_as_of_the_cut() -> None:
    data = dataset()
    counts = data.known.group_by(USER_ID).len()
    found = data.users.select(USER_ID, "events_all").join(counts, on=USER_ID, how="left").fill_null(0)
    assert found["events_all"].cast(pl.Int64).equals(found["len"].cast(pl.Int64), check_names=False)
    assert data.users.height == 200
    assert data.items.height == 300


def test_the_holdout_is_a_length_or_a_share_and_longer_where_few_users_came() -> None:
    """Half a year in which a user a day comes once."""
    days = pl.int_range(400, eager=True)
    events = pl.DataFrame({
        USER_ID: (days // 2).cast(pl.String),
        ITEM_ID: (days % 7).cast(pl.String),
        "timestamp": datetime(2024, 1, 1) + pl.Series([timedelta(days=day / 2) for day in days]),
    })  # fmt: skip
    asked = Dataset.from_frames(events)
    assert asked.schema.holdout == "20d"
    assert asked.notes[-1] == "hold-out of 20d: 14 users in the last 14 days, 20 in the last 20"
    lengths = {text: Dataset.from_frames(events, holdout=text).split for text in ("7d", "14d", "30d", "10%", "40%")}
    assert [(each.end - each.cut).days + 1 for each in lengths.values()] == [7, 14, 20, 20, 80]
    assert Dataset.of(asked.tables, holdout="7d").split == lengths["7d"]
    with pytest.raises(InputError, match="holdout is '2 weeks'; wanted whole days"):
        Dataset.of(asked.tables, holdout="2 weeks")
