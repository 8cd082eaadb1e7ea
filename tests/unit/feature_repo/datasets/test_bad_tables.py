"""Bad tables end in an InputError; odd but usable ones are noted.

The error has file, column, count and examples.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from feature_repo.errors import InputError
from tests.unit.feature_repo.datasets.canonical_world import (
    USERS,
    assert_names,
    good_events,
    good_items,
    good_users,
    read,
    set_rows,
)


class TestBadEvents:
    def test_missing_column(self) -> None:
        with pytest.raises(InputError) as error:
            read(events=good_events().rename({"what": "thing"}))
        assert_names(error, "events.csv", "'what'", "missing", "thing", "200 rows")

    def test_empty_table(self) -> None:
        with pytest.raises(InputError, match=r"events\.csv: empty table: 0 rows"):
            read(events=good_events().clear())

    @pytest.mark.parametrize("blank", [None, "", "  "])
    def test_null_or_blank_ids(self, blank: str | None) -> None:
        with pytest.raises(InputError) as error:
            read(events=set_rows(good_events(), "who", [4, 7], blank))
        assert_names(error, "events.csv", "'who'", "null or blank id", "2 rows")
        if blank is None:
            assert_names(error, "row 5", "row 8")

    def test_ids_that_no_index_holds(self) -> None:
        with pytest.raises(InputError) as error:
            read(events=set_rows(good_events(), "who", [4], "x" * 5_000))
        assert_names(error, "events.csv", "'who'", "id of more than 4,096 bytes", "1 rows")
        assert len(str(error.value)) < 400

    def test_fractional_ids_have_the_wrong_type(self) -> None:
        with pytest.raises(InputError) as error:
            read(events=good_events().with_columns(who=pl.lit(1.5)))
        assert_names(error, "events.csv", "'who'", "wrong type Float64", "200 rows", "1.5")

    def test_null_times(self) -> None:
        with pytest.raises(InputError) as error:
            read(events=set_rows(good_events(), "when", [0], None))
        assert_names(error, "events.csv", "'when'", "null time", "1 rows", "row 1")

    def test_unparsable_times(self) -> None:
        text = good_events().with_columns(pl.col("when").dt.to_string("iso"))
        with pytest.raises(InputError) as error:
            read(events=set_rows(text, "when", [1, 2, 3, 4], "last week"))
        assert_names(error, "events.csv", "'when'", "not a time", "4 rows", "'last week', 'last week', 'last week')")

    def test_whole_numbers_are_times_only_with_a_unit(self) -> None:
        numbers = good_events().with_columns(pl.col("when").dt.epoch("s"))
        with pytest.raises(InputError) as error:
            read(events=numbers)
        assert_names(error, "events.csv", "'when'", "wrong type Int64", "epoch")

    @pytest.mark.parametrize("column", ["when", "loaded"])
    def test_times_after_as_of(self, column: str) -> None:
        late = set_rows(good_events(), column, [5], datetime(2030, 1, 1))
        assert read(events=late).events.height == 200
        with pytest.raises(InputError) as error:
            read(events=late, as_of=datetime(2025, 1, 1, tzinfo=UTC))
        assert_names(error, "events.csv", f"'{column}'", "after as_of", "1 rows", "example 2030-01-01 00:00:00)")

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
    def test_not_finite_values(self, number: float) -> None:
        with pytest.raises(InputError) as error:
            read(events=set_rows(good_events(), "paid", [0, 9], number))
        assert_names(error, "events.csv", "'paid'", "NaN or infinite", "2 rows", str(number))

    def test_values_that_are_no_numbers(self) -> None:
        text = good_events().with_columns(pl.col("paid").cast(pl.String))
        with pytest.raises(InputError) as error:
            read(events=set_rows(text, "paid", [3], "12 pieces"))
        assert_names(error, "events.csv", "'paid'", "not a number", "1 rows", "12 pieces")

    def test_fewer_than_ten_users(self) -> None:
        with pytest.raises(InputError) as error:
            read(events=good_events().filter(pl.col("who").is_in(USERS[:9])))
        assert_names(error, "events.csv", "'who'", "9 users", "at least 10", "u0")
        assert read(events=good_events().filter(pl.col("who").is_in(USERS[:10]))).events.height == 100


class TestBadUsersAndItems:
    def test_duplicate_ids(self) -> None:
        with pytest.raises(InputError) as error:
            read(users=pl.concat([good_users(), good_users().head(1)]))
        assert_names(error, "users.csv", "'who'", "duplicate id", "2 rows", "u0")

    def test_null_ids(self) -> None:
        with pytest.raises(InputError) as error:
            read(items=set_rows(good_items(), "what", [2], None))
        assert_names(error, "items.csv", "'what'", "null or blank id", "1 rows", "row 3")

    def test_empty_table(self) -> None:
        with pytest.raises(InputError, match=r"items\.csv: empty table"):
            read(items=good_items().clear())

    def test_missing_feature_column(self) -> None:
        with pytest.raises(InputError) as error:
            read(items=good_items().drop("grams"))
        assert_names(error, "items.csv", "'grams'", "missing")

    def test_not_finite_feature(self) -> None:
        with pytest.raises(InputError) as error:
            read(items=set_rows(good_items(), "grams", [1], float("nan")))
        assert_names(error, "items.csv", "'grams'", "NaN or infinite", "1 rows", "nan")

    def test_vector_of_the_wrong_length(self) -> None:
        with pytest.raises(InputError) as error:
            read(items=set_rows(good_items(), "image", [0, 4], "1|2|3"))
        assert_names(error, "items.csv", "'image'", "wrong length: 3; wanted 2", "2 rows", "1|2|3")

    @pytest.mark.parametrize("cell", ["1|x", "[nan, 1]", "1e300|1"])
    def test_vector_of_other_than_finite_numbers(self, cell: str) -> None:
        with pytest.raises(InputError) as error:
            read(items=set_rows(good_items(), "image", [1], cell))
        assert_names(error, "items.csv", "'image'", "vector", "1 rows", cell)

    def test_vector_of_the_wrong_type(self) -> None:
        with pytest.raises(InputError) as error:
            read(items=good_items().with_columns(image=pl.lit(1.0)))
        assert_names(error, "items.csv", "'image'", "wrong type Float64", "5 rows")

    def test_lists_are_kept_to_their_length(self) -> None:
        items = read(items=set_rows(good_items(), "tags", [1], "a|b|c|d|e|f")).items
        assert items.filter(item_id="i1")["tags"].to_list() == [["a", "b", "c", "d"]]

    def test_multi_valued_of_the_wrong_type(self) -> None:
        with pytest.raises(InputError) as error:
            read(items=good_items().with_columns(tags=pl.lit(1.0)))
        assert_names(error, "items.csv", "'tags'", "wrong type Float64", "5 rows")
