"""Good tables become canonical ones; ids without a partner are dropped and noted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from feature_repo.datasets.canonical import canonicalise, default_as_of
from feature_repo.datasets.raw_table import RawTable
from feature_repo.errors import InputError
from feature_repo.schema import Schema
from tests.unit.feature_repo.datasets.canonical_world import (
    ITEMS,
    MONDAY,
    USERS,
    assert_names,
    good_events,
    good_items,
    good_users,
    read,
    set_rows,
)


class TestGoodTables:
    def test_columns_have_canonical_names_types_and_order(self) -> None:
        tables = read(events=good_events().sample(fraction=1, shuffle=True, seed=3))
        assert dict(tables.events.schema) == {
            "user_id": pl.String,
            "item_id": pl.String,
            "timestamp": pl.Datetime("us"),
            "created": pl.Datetime("us"),
            "value": pl.Float64,
        }
        assert tables.events["timestamp"].is_sorted()
        assert tables.users.columns == ["user_id", "city"]
        assert tables.users["user_id"].to_list() == sorted(USERS)
        assert tables.notes == ()

    def test_values_are_read_by_their_kind(self) -> None:
        items = read().items
        assert items["weight"].to_list() == [1.0, 2.0, None, 4.0, 5.0]
        assert items["tags"].to_list() == [["a", "b"], ["b"], None, ["a"], ["c", "a"]]
        assert items["image"].to_list() == [[1.0, 2.0], [1.0, 2.0], None, [0.5, -1.0], [3.0, 4.0]]
        noon = datetime(2023, 1, 1, 12, tzinfo=UTC)
        times = [
            noon - timedelta(hours=12),
            noon,
            noon + timedelta(seconds=0.5),
            None,
            noon - timedelta(hours=2),
        ]
        expected = [None if time is None else int(time.timestamp() * 1_000_000) for time in times]
        assert items["released"].to_list() == expected

    def test_columns_of_nulls_only_are_read_whatever_their_kind(self) -> None:
        nulls = read(items=good_items().with_columns(pl.lit(None).alias(name) for name in good_items().columns[1:]))
        assert nulls.items.drop("item_id").null_count().row(0) == (5, 5, 5, 5)
        assert nulls.items.schema == read().items.schema

    def test_numbers_as_ids_become_text(self) -> None:
        numbered = {"who": pl.col("who").str.slice(1).cast(pl.Int64)}
        tables = read(events=good_events().with_columns(**numbered), users=good_users().with_columns(**numbered))
        assert set(tables.events["user_id"]) == {str(n) for n in range(20)}

    def test_zoned_times_become_utc(self) -> None:
        zoned = good_events().with_columns(
            pl.col("when").dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
        )
        assert read(events=zoned).events.equals(read().events)

    def test_without_created_events_are_known_at_once(self) -> None:
        raw = RawTable(
            name="e", frame=good_events(), columns={"user_id": "who", "item_id": "what", "timestamp": "when"}
        )
        plain = Schema(dataset="shop", seen_items_may_return=True, views=())
        tables = canonicalise(plain, events=raw, users=None, items=None)
        assert tables.events["created"].equals(tables.events["timestamp"])
        assert tables.users["user_id"].to_list() == sorted(USERS)
        assert tables.items["item_id"].to_list() == sorted(ITEMS)

    def test_equal_rows_are_kept_and_noted(self) -> None:
        tables = read(events=pl.concat([good_events(), good_events().head(3)]))
        assert tables.events.height == 203
        assert any("3 events equal another" in note for note in tables.notes)

    def test_users_and_items_without_events_are_kept_and_noted(self) -> None:
        tables = read(events=good_events().filter(pl.col("what") != "i0"))
        assert (tables.users.height, tables.items.height) == (20, 5)
        assert any("4 of 20 users have no event" in note for note in tables.notes)
        assert any("1 of 5 items have no event" in note for note in tables.notes)

    def test_default_as_of_is_just_after_the_last_thing_known(self) -> None:
        tables = read()
        newest = MONDAY + timedelta(hours=199, minutes=5)
        assert default_as_of(tables) == newest + timedelta(microseconds=1)

    def test_an_event_at_as_of_is_no_error(self) -> None:
        assert read(as_of=MONDAY + timedelta(hours=199, minutes=5)).events.height == 200


class TestUnknownIds:
    def test_up_to_one_percent_is_dropped_and_noted(self) -> None:
        tables = read(events=set_rows(good_events(), "what", [3, 50], "ghost"))
        assert tables.events.height == 198
        assert "ghost" not in tables.events["item_id"]
        (note,) = tables.notes
        for text in (
            "events.csv",
            "'what'",
            "1 ids missing from items.csv",
            "ghost",
            "2 events dropped (1.00 %)",
        ):
            assert text in note

    @pytest.mark.parametrize(("column", "file"), [("who", "users.csv"), ("what", "items.csv")])
    def test_more_is_an_error(self, column: str, file: str) -> None:
        with pytest.raises(InputError) as error:
            read(events=set_rows(good_events(), column, [3, 50, 90], "ghost"))
        assert_names(error, "events.csv", f"'{column}'", f"1 ids missing from {file}", "3 rows", "ghost")

    def test_the_limit_holds_for_users_and_items_together(self) -> None:
        events = set_rows(set_rows(good_events(), "who", [1, 2], "ghost"), "what", [3, 4], "thing")
        with pytest.raises(InputError, match=r"2\.0% of the events"):
            read(events=events)
