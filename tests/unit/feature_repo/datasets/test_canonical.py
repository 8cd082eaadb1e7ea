"""Bad tables end in an InputError; odd but usable ones are noted.

The error has file, column, count and examples.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from feature_repo.datasets.canonical import Tables, canonicalise, default_as_of
from feature_repo.datasets.columns import RawTable
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
            read(events=set_rows(text, "paid", [3], "12 CHF"))
        assert_names(error, "events.csv", "'paid'", "not a number", "1 rows", "12 CHF")

    def test_fewer_than_ten_users(self) -> None:
        with pytest.raises(InputError) as error:
            read(events=good_events().filter(pl.col("who").is_in(USERS[:9])))
        assert_names(error, "events.csv", "'who'", "9 users", "at least 10", "u0")
        assert read(events=good_events().filter(pl.col("who").is_in(USERS[:10]))).events.height == 100


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


class TestEpochs:
    @pytest.mark.parametrize(("unit", "scale"), [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)])
    @pytest.mark.parametrize("as_text", [False, True])
    def test_every_unit_reads_the_same_moment(self, unit: str, scale: int, as_text: bool) -> None:
        counts = good_events()["when"].dt.epoch("s") * scale
        frame = good_events().with_columns(when=counts.cast(pl.String) if as_text else counts)
        raw = RawTable(
            name="e",
            frame=frame,
            columns={"user_id": "who", "item_id": "what", "timestamp": "when"},
            epoch=unit,  # type: ignore[arg-type]
        )
        plain = Schema(dataset="shop", seen_items_may_return=True, views=())
        assert canonicalise(plain, events=raw, users=None, items=None).events["timestamp"].item(0) == MONDAY

    def test_the_wrong_unit_is_found_by_impossible_years(self) -> None:
        frame = good_events().with_columns(when=good_events()["when"].dt.epoch("us"))
        raw = RawTable(
            name="e.csv",
            frame=frame,
            columns={"user_id": "who", "item_id": "what", "timestamp": "when"},
            epoch="s",
        )
        plain = Schema(dataset="shop", seen_items_may_return=True, views=())
        with pytest.raises(InputError) as error:
            canonicalise(plain, events=raw, users=None, items=None)
        assert_names(error, "e.csv", "'when'", "epoch", "200 rows")
