"""What changed since the last version's data: each kind is named, and an ordinary day is no change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from feature_repo.datasets.canonical import Tables
from feature_repo.feature import Feature, Kind
from orchestration.data_page.column_rules import known_share
from orchestration.data_page.columns import profile_column
from orchestration.data_page.page import find
from orchestration.data_page.profile import Profile
from tests.unit.orchestration.data_page.data_world import DAYS, START, profile, shop

Change = Callable[[Tables], Tables]
OLD_END = START + timedelta(days=DAYS)
OLD, NEW = pl.col("timestamp") < OLD_END, pl.col("timestamp") >= OLD_END


def events(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Change:
    return lambda tables: replace(tables, events=change(tables.events))


def later(frame: pl.DataFrame, by: timedelta) -> pl.DataFrame:
    return frame.with_columns(pl.col("timestamp", "created") + by)


def column(table: str, name: str, value: pl.Expr) -> Change:
    """Another value in a column of users or items."""
    return lambda tables: replace(tables, **{table: getattr(tables, table).with_columns(value.alias(name))})


def twice(rows: pl.Expr) -> Change:
    return events(lambda log: pl.concat([log, log.filter(rows)]))


def without(rows: pl.Expr) -> Change:
    return events(lambda log: log.filter(~rows))


def spike(log: pl.DataFrame) -> pl.DataFrame:
    """Twenty times as many events on the new day, at other times."""
    day = log.filter(NEW)
    return pl.concat([log, *(later(day, timedelta(microseconds=n)) for n in range(1, 20))])


def other_ids(name: str, id_: pl.Expr) -> Change:
    return events(lambda log: log.with_columns(id_.alias(name)))


def kind_changed(tables: Tables) -> Tables:
    """The ages were read as categories."""
    (view, *others) = tables.schema.views
    features = (view.features[0], Feature(name="age", kind=Kind.CATEGORICAL))
    schema = replace(tables.schema, views=(replace(view, features=features), *others))
    return replace(tables, schema=schema, users=tables.users.with_columns(pl.col("age").cast(pl.String)))


CHANGES: dict[str, tuple[Change, str, bool, str]] = {
    "one event far ahead": (
        events(lambda log: pl.concat([log, later(log.tail(1), timedelta(days=200))])),
        "clock", True, "200 days ahead",
    ),
    "months ahead, with events": (
        events(lambda log: pl.concat([log, *(later(log.tail(30), timedelta(days=n)) for n in range(1, 25))])),
        "clock", False, "24 days ahead",
    ),
    "the end is gone": (without(pl.col("timestamp") >= OLD_END - timedelta(days=4)), "clock", False, "4 days back"),
    "days without events": (
        events(lambda log: pl.concat([log.filter(OLD), later(log.filter(NEW), timedelta(days=3))])),
        "empty days", False, "3 days without an event: 2024-03-01, 2024-03-02, 2024-03-03",
    ),
    "a day of many events": (events(spike), "spikes", False, "2024-03-01 has"),
    "the whole export twice": (twice(pl.lit(True)), "duplicates", True, "50.0% of the events"),
    "the new day twice": (twice(NEW), "duplicates", True, "of the new days 50.0%"),
    "a fifth twice": (twice(pl.int_range(pl.len()) % 5 == 0), "duplicates", False, "16.7% of the events"),
    "a month is gone": (
        without(pl.col("timestamp").is_between(START + timedelta(days=20), START + timedelta(days=50))),
        "history", True, "are gone on days that were already there, such as 2024-01-21",
    ),
    "some events are gone": (
        without((pl.int_range(pl.len()) % 7 == 0) & OLD), "history", False, "are gone on days that were already there",
    ),
    "half the days lack half": (
        without((pl.int_range(pl.len()) % 2 == 0) & OLD), "history", True, "are gone on days that were already there",
    ),
    "users of another form": (
        other_ids("user_id", pl.col("user_id").str.slice(1)), "ids", True, "they look like '999', before like 'a999'",
    ),
    "items of another form": (
        other_ids("item_id", pl.lit("00") + pl.col("item_id")), "ids", True, "0% of the former item_ids",
    ),
    "two thirds of the users are new": (
        other_ids("user_id", pl.when(pl.col("user_id") > "u025").then("x" + pl.col("user_id")).otherwise("user_id")),
        "ids", False, "of the former user_ids are still there",
    ),
    "cents": (column("items", "price", 100 * pl.col("price")), "unit", False, "is it another unit?"),
    "thousands": (column("users", "age", pl.col("age") / 1000), "unit", False, "users, column 'age'"),
    "cents since today": (
        events(lambda log: log.with_columns(value=pl.when(NEW).then(100 * pl.col("value")).otherwise("value"))),
        "unit", False, "events, column 'value' of the new days",
    ),
    "renamed categories": (
        column("users", "country", pl.col("country").str.to_uppercase()), "categories", False, "gone: 'at', 'ch', 'de'",
    ),
    "one category of four renamed": (
        column("users", "country", pl.col("country").replace("at", "aut")),
        "categories", False, "such as 'aut'; gone: 'at'",
    ),
    "renamed tags": (
        column("items", "tags", pl.col("tags").list.eval(pl.element() + "!")), "categories", False, "'new!', 'sale!'",
    ),
    "a column is empty": (
        column("users", "country", pl.lit(None, pl.String)), "missing", True, "100% missing, before 0%",
    ),
    "a column is half empty": (
        column("items", "price", pl.when(pl.int_range(pl.len()) % 2 == 0).then("price")),
        "missing", False, "50% missing",
    ),
    "no values since today": (
        events(lambda log: log.with_columns(value=pl.when(OLD).then("value"))),
        "missing", False, "of the new days: 100%",
    ),
    "another kind": (kind_changed, "kind", False, "was numeric and is categorical"),
    "a column is gone": (
        lambda tables: replace(tables, items=tables.items.drop("price")),
        "columns", False, "items, column 'price' is gone",
    ),
    "items are gone": (
        lambda tables: replace(tables, items=tables.items.head(30)),
        "rows", False, "30 rows, in the last version's data 40",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def former() -> Profile:
    return profile(shop(1, DAYS), DAYS)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_named(former: Profile, name: str) -> None:
    change, rule, fails, said = CHANGES[name]
    found = find(profile(change(shop(1, DAYS + 1)), DAYS + 1), former)
    assert [each for each in found if (each.rule, each.fails) == (rule, fails) and said in each.text], found
    # A change is one finding, but that lost days move the end and lose events as well.
    assert {each.rule for each in found} <= {rule, "history" if rule == "clock" else rule}, found
    assert any(each.fails for each in found) == fails


@settings(max_examples=15, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(
    seed=st.integers(0, 10_000),
    days=st.integers(12, 50),
    more=st.integers(1, 7),
    per_day=st.integers(8, 120),
    users=st.integers(10, 150),
    items=st.integers(5, 80),
    closed=st.booleans(),
    gone=st.booleans(),
    rolling=st.booleans(),
)
def test_an_ordinary_next_day_warns_of_nothing(
    seed: int, days: int, more: int, per_day: int, users: int, items: int, closed: bool, gone: bool, rolling: bool
) -> None:
    """Also where a user asked to be deleted, and where the export is a window that moves with time."""
    size = {"per_day": per_day, "users": users, "items": items, "closed": closed}
    old, new = (shop(seed, number, **size) for number in (days, days + more))
    if gone:
        heaviest = old.events["user_id"].value_counts().sort("count", "user_id")["user_id"][-1]
        new = without(pl.col("user_id") == heaviest)(new)
    if rolling:
        new = without(pl.col("timestamp") < START + timedelta(days=more))(new)
    assert find(profile(old, days), None) == []
    assert find(profile(new, days + more), profile(old, days)) == []


@pytest.mark.parametrize(("kept", "new"), [(3_000, 3_000), (3_000, 0), (1_500, 4_000), (0, 3_000)])
def test_a_sample_of_hashes_tells_the_share_of_known_ids(kept: int, new: int) -> None:
    """Of 3,000 ids, beside any number of new ones."""
    before, now = (
        profile_column(pl.Series([f"u{number}" for number in numbers]), Kind.ID)
        for numbers in (range(3_000), [*range(kept), *range(3_000, 3_000 + new)])
    )
    assert known_share(now, before) == pytest.approx(kept / 3_000, abs=0.07)


def test_the_same_data_again_warn_of_nothing(former: Profile) -> None:
    assert find(former, former) == []


def test_what_the_description_leaves_out_is_not_lost(former: Profile) -> None:
    """Of a month that another `drop_where` leaves out, the rows are still in the file: a warning, no failure."""
    tables = shop(1, DAYS + 1)
    made = profile(CHANGES["a month is gone"][0](tables), DAYS + 1)
    reading = replace(made.tables["events"].reading, rows=tables.events.height)
    made = replace(made, tables={**made.tables, "events": replace(made.tables["events"], reading=reading)})
    (found,) = find(made, former)
    assert (found.rule, found.fails) == ("history", False)
    assert "the files have as many rows as before" in found.text


ALONE: dict[str, tuple[Change, str]] = {
    "duplicates": (twice(pl.lit(True)), "50% of the events equal another one"),
    "one id": (
        other_ids("user_id", pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("0")).otherwise("user_id")),
        "one user has",
    ),
    "clock": (
        events(lambda log: pl.concat([log, later(log.tail(2), timedelta(days=400))])), "the last 2 events come 400",
    ),
    "missing": (column("items", "price", pl.lit(None, pl.Float64)), "items, column 'price' is empty"),
}  # fmt: skip


@pytest.mark.parametrize("rule", ALONE)
def test_the_first_data_are_looked_at_alone(rule: str) -> None:
    change, said = ALONE[rule]
    made = profile(change(shop(1, DAYS)), DAYS)
    (found,) = find(made, None)
    assert (found.rule, found.fails) == (rule, False)
    assert said in found.text
    assert find(made, made) == []
