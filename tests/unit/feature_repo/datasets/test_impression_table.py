"""Impressions: read like events, and optional."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from feature_repo.datasets.canonical import canonicalise
from feature_repo.datasets.raw_table import RawTable
from feature_repo.errors import InputError
from feature_repo.schema import Schema
from tests.unit.feature_repo.datasets.canonical_world import (
    assert_names,
    good_events,
    impressions_file,
    read,
    set_rows,
)


class TestImpressions:
    def test_impressions_are_read_like_events_and_absent_without_a_file(self) -> None:
        tables = read(shown=good_events().sample(fraction=1, shuffle=True, seed=3))
        assert tables.impressions is not None
        assert tables.impressions.equals(tables.events.drop("value"))
        assert tables.notes == ()
        assert read().impressions is None

    @pytest.mark.parametrize(
        ("column", "value", "problem"),
        [
            ("who", None, "null or blank id"),
            ("when", None, "null time"),
            ("loaded", datetime(2030, 1, 1), "after as_of"),
        ],
    )
    def test_errors_of_impressions_are_named_as_for_events(self, column: str, value: object, problem: str) -> None:
        with pytest.raises(InputError) as error:
            read(shown=set_rows(good_events(), column, [5], value), as_of=datetime(2025, 1, 1))
        assert_names(error, "shown.csv", f"'{column}'", problem, "1 rows")

    def test_a_missing_column_and_an_empty_table(self) -> None:
        with pytest.raises(InputError, match=r"shown\.csv, column 'what': missing column"):
            read(shown=good_events().drop("what"))
        with pytest.raises(InputError, match=r"shown\.csv: empty table"):
            read(shown=good_events().clear())

    def test_unknown_ids_are_dropped_and_noted_up_to_one_percent(self) -> None:
        tables = read(shown=set_rows(good_events(), "what", [3, 50], "ghost"))
        assert tables.impressions is not None
        assert (tables.impressions.height, tables.events.height) == (198, 200)
        (note,) = tables.notes
        assert "shown.csv, column 'what': 1 ids missing from items.csv, such as ghost: 2 impressions dropped" in note
        with pytest.raises(InputError, match=r"1\.5% of the impressions are of unknown ids"):
            read(shown=set_rows(good_events(), "what", [3, 50, 90], "ghost"))

    def test_without_a_file_of_users_all_users_without_an_event_are_dropped(self) -> None:
        events = RawTable(
            name="e", frame=good_events(), columns={"user_id": "who", "item_id": "what", "timestamp": "when"}
        )
        shown = impressions_file(good_events().with_columns(who=pl.col("who").replace("u7", "idle")))
        plain = Schema(dataset="shop", seen_items_may_return=True, views=())
        tables = canonicalise(plain, events=events, users=None, items=None, impressions=shown)
        assert tables.impressions is not None
        assert tables.impressions.height == 190
        assert any("1 ids missing from the events, such as idle: 10 impressions" in note for note in tables.notes)
