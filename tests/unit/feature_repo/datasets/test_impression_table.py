"""Impressions: read like events, and optional, as are their answers and surroundings."""

from __future__ import annotations

from dataclasses import replace
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
    read_impressions,
    set_rows,
)

ANSWERS = {
    "request_id": "request",
    "position": "rank",
    "row": "y",
    "column": "x",
    "click": "clicked",
    "reward": "gain",
    "propensity": "p",
    "randomised": "drawn",
    "device": "agent",
}
"""Columns of the file by their canonical names."""


def answers() -> RawTable:
    """40 answers of 5 items to a user each, with all that is optional."""
    place = pl.int_range(pl.len()) % 5
    rows = good_events().with_columns(
        request=pl.int_range(pl.len()) // 5,
        who=pl.format("u{}", pl.int_range(pl.len()) // 5 % 20),
        rank=place + 1,
        y=place // 2 + 1,
        x=place % 2 + 1,
        clicked=place == 2,
        gain=place.cast(pl.Float64),
        p=1.0 / (place + 1),
        drawn=pl.when(place < 2).then(pl.lit("top")),
        agent=pl.when(place > 0).then(pl.lit("phone")),
    )
    table = impressions_file(rows)
    return replace(table, columns={**table.columns, **ANSWERS})


def with_values(column: str, values: list[object]) -> RawTable:
    """The answers with other values in the first rows of a column."""
    table = answers()
    rest = table.frame[column].to_list()[len(values) :]
    return replace(table, frame=table.frame.with_columns(pl.Series(column, values + rest, strict=False)))


def of_clicks(values: list[object]) -> RawTable:
    """The answers with these clicks, over and over."""
    table = answers()
    clicks = (values * 200)[: table.frame.height]
    return replace(table, frame=table.frame.with_columns(pl.Series("clicked", clicks, strict=False)))


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


class TestAnswers:
    def test_a_file_with_nothing_more_keeps_its_four_columns(self) -> None:
        shown = read(shown=good_events()).impressions
        assert shown is not None
        assert shown.columns == ["user_id", "item_id", "timestamp", "created"]

    def test_all_that_is_named_is_there_in_its_type(self) -> None:
        shown = read_impressions(answers())
        assert dict(list(shown.schema.items())[4:]) == {
            "request_id": pl.String,
            **dict.fromkeys(("position", "row", "column"), pl.Int32),
            "click": pl.Boolean,
            "reward": pl.Float64,
            "propensity": pl.Float64,
            "randomised": pl.String,
            "device": pl.String,
        }
        third = shown.filter(pl.col("request_id") == "3", pl.col("position") == 3)[:, 4:]
        assert third.row(0) == (
            "3",
            3,
            2,
            1,
            True,
            2.0,
            1 / 3,
            None,
            "phone",
        )
        assert shown["device"].null_count() == 40

    @pytest.mark.parametrize("column", ["position", "click", "reward", "propensity", "device"])
    def test_what_is_unknown_is_null(self, column: str) -> None:
        shown = read_impressions(with_values(ANSWERS[column], [None, None, None]))
        assert shown[column].null_count() == (42 if column == "device" else 3)

    @pytest.mark.parametrize(
        ("values", "groups"),
        [
            (["top", "no", "False", "0", "NA", " f "], ["top", None, None, None, None, None]),
            ([1, 0, 2], ["1", None, "2"]),
            ([True, False], ["true", None]),
        ],
    )
    def test_a_group_of_a_random_order_is_any_word_but_no(self, values: list[object], groups: list[str | None]) -> None:
        table = answers()
        rest = [values[0]] * (table.frame.height - len(values))
        frame = table.frame.with_columns(pl.Series("drawn", values + rest))
        shown = read_impressions(replace(table, frame=frame, missing=frozenset({"NA"})))
        assert shown["randomised"].head(len(values)).to_list() == groups

    @pytest.mark.parametrize(
        ("values", "clicks"),
        [
            (["yes", "No", " TRUE ", "f", "", "NA"], [True, False, True, False, None, None]),
            ([1, 0, 1.0, 0.0, None, None], [True, False, True, False, None, None]),
        ],
    )
    def test_truth_has_many_words(self, values: list[object], clicks: list[bool | None]) -> None:
        shown = read_impressions(replace(of_clicks(values), missing=frozenset({"", "NA"})))
        assert shown["click"].head(6).to_list() == clicks

    @pytest.mark.parametrize("value", ["maybe", 2, 0.5])
    def test_a_click_that_is_no_truth_value(self, value: object) -> None:
        with pytest.raises(InputError) as error:
            read_impressions(of_clicks([value]))
        assert_names(error, "'clicked'", "no truth value; wanted true or false, 1 or 0", "200 rows", repr(value))

    @pytest.mark.parametrize(
        ("column", "values", "problem"),
        [
            ("rank", [0, 1], "no whole number from 1 to 1,000,000; count from 1"),
            ("rank", [1.5], "no whole number from 1"),
            ("y", [-1], "no whole number from 1"),
            ("x", [2_000_000], "no whole number from 1 to 1,000,000"),
            ("p", [0.0], "no probability above 0, at most 1"),
            ("p", [1.01], "no probability above 0"),
            ("gain", [float("inf")], "NaN or infinite"),
        ],
    )
    def test_a_bad_value_is_named_with_its_column_and_count(
        self, column: str, values: list[object], problem: str
    ) -> None:
        with pytest.raises(InputError) as error:
            read_impressions(with_values(column, values))
        assert_names(error, "shown.csv", f"'{column}'", problem, "1 rows")

    def test_an_item_stands_once_in_an_answer_and_again_in_the_next(self) -> None:
        table = with_values("what", ["i1"])
        with pytest.raises(InputError) as error:
            read_impressions(table)
        assert_names(
            error, "'what'", "the same item twice in an answer", "'request'", "leave the repeated rows out", "1 "
        )
        unnamed = {name: column for name, column in table.columns.items() if name != "request_id"}
        assert read_impressions(replace(table, columns=unnamed)).height == 200
        assert read_impressions(with_values("request", [None, None])).height == 200

    def test_values_of_the_surroundings_are_bounded(self) -> None:
        frame = pl.concat([answers().frame] * 51).with_columns(
            request=pl.int_range(pl.len()), agent=pl.format("phone {}", pl.int_range(pl.len()))
        )
        with pytest.raises(InputError) as error:
            read_impressions(replace(answers(), frame=frame))
        assert_names(error, "'agent'", "10,200 different values; wanted at most 10,000", "group them")
        few = frame.with_columns(agent=pl.format("phone {}", pl.int_range(pl.len()) % 10_000))
        assert read_impressions(replace(answers(), frame=few))["device"].n_unique() == 10_000
