"""A sound table passes; each kind of broken value fails with its message.

The message has view, column, count and example.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_repo.schema import Entity, Feature, Kind, View
from feature_repo.validation.expectations import validate

START = datetime(2020, 5, 4)
VIEW = View(
    name="user_things",
    entity=Entity.USER,
    features=(
        Feature(name="age", kind=Kind.NUMERIC, minimum=0, maximum=120, max_null_share=0.25),
        Feature(name="money", kind=Kind.NUMERIC),
        Feature(name="city", kind=Kind.CATEGORICAL, max_null_share=0),
        Feature(name="seen", kind=Kind.TIMESTAMP),
        Feature(name="tags", kind=Kind.MULTI_VALUED, length=2),
        Feature(name="face", kind=Kind.VECTOR, dim=2),
        Feature(name="past", kind=Kind.HISTORY, length=2),
    ),
)


def micros(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1)) / timedelta(microseconds=1))


def table() -> pl.DataFrame:
    """Four sound rows, with the nulls, empty lists and limits that are allowed."""
    earlier = micros(START - timedelta(days=3))
    return pl.DataFrame(
        {
            "user_id": ["a", "a", "b", "c"],
            "event_timestamp": [START, START + timedelta(days=1), START, START],
            "created": [START, START + timedelta(days=9), START, START],
            "age": [0.0, 120.0, None, 33.5],
            "money": [None, -1.5, 1e12, 0.0],
            "city": ["x", "y", "z", "x"],
            "seen": [None, micros(START), micros(datetime(1951, 2, 3)), earlier],
            "tags": [None, [], ["p"], ["p", "q"]],
            "face": [None, [0.0, 1.0], [1.0, 0.0], [-1.0, 2.0]],
            "past_items": [[], ["i"], ["i", "j"], None],
            "past_times": [[], [earlier], [earlier, earlier], None],
            "past_counts": [[], [1], [2, 1], None],
            "past_decayed": [[], [earlier], [micros(START) + 9, earlier], None],
        },
        schema_overrides={
            "event_timestamp": pl.Datetime("us"),
            "created": pl.Datetime("us"),
            "face": pl.List(pl.Float32),
            "past_items": pl.List(pl.String),
        },
    )


def broken(*changes: tuple[str, int, object]) -> pl.DataFrame:
    """The sound table with some cells replaced: (column, row, value)."""
    frame = table()
    for column, row, value in changes:
        values = frame[column].to_list()
        values[row] = value
        frame = frame.with_columns(pl.Series(column, values, dtype=frame.schema[column]))
    return frame


def failures(frame: pl.DataFrame, docs: Path) -> set[str]:
    report = validate(VIEW, frame, docs=docs)
    assert not report.success
    assert report.docs.exists()
    assert len(report.failures) == sum(not row["success"] for row in report.summary)
    return set(report.failures)


def told(column: str, problem: str, count: int, examples: str) -> str:
    return f"user_things, column '{column}': not true that it {problem} ({count} rows; for example {examples})"


def test_a_sound_table_passes_and_its_docs_are_kept(tmp_path: Path) -> None:
    report = validate(VIEW, table(), docs=tmp_path)
    assert report.failures == ()
    assert report.success
    assert report.docs == tmp_path / "user_things" / "index.html"
    assert "user_things" in report.docs.read_text()
    assert report.expectations == len(report.summary) > 30
    assert {"expectation", "column", "success", "observed"} == set(report.summary[0])


def test_values_out_of_bounds_fail(tmp_path: Path) -> None:
    nanoseconds = micros(START) * 1000
    frame = broken(
        ("age", 0, -2.25),
        ("age", 3, 121.0),
        ("money", 1, float("nan")),
        ("money", 3, float("inf")),
        ("seen", 2, nanoseconds),
        ("tags", 3, ["p", "q", "r"]),
        ("face", 1, [1.0]),
        ("face", 3, [1.0, float("nan")]),
    )
    assert failures(frame, tmp_path) == {
        told("age", "is at least 0 and at most 120", 2, "-2.25; 121.0"),
        told("money", "is finite: no NaN, no infinity", 2, "NaN; inf"),
        told("seen", "lies between 1800 and 2200 in microseconds", 1, str(float(nanoseconds))),
        told("seen", "is not after event_timestamp", 1, f"{micros(START)} against {float(nanoseconds)}"),
        told("tags", "has at most 2 elements", 1, "3.0"),
        told("face", "has 2 elements", 1, "1.0"),
        told("face", "is finite: no NaN, no infinity", 1, "NaN"),
    }


def test_missing_values_fail(tmp_path: Path) -> None:
    frame = broken(
        ("user_id", 3, None),
        ("event_timestamp", 2, None),
        ("created", 2, None),
        ("age", 3, None),
        ("city", 1, None),
        ("tags", 3, ["p", None]),
    )
    assert failures(frame, tmp_path) == {
        told("user_id", "is never null", 1, "None"),
        told("event_timestamp", "is never null", 1, "NaT"),
        told("created", "is never null", 1, "NaT"),
        told("age", "is null in at most 25.0% of the rows", 2, "nan; nan"),
        told("city", "is never null", 1, "None"),
        told("tags", "has no nulls inside its lists", 1, "1.0"),
    }


def test_rows_that_see_the_future_fail(tmp_path: Path) -> None:
    moment = micros(START) + 86_400_000_000
    frame = broken(("created", 1, START), ("seen", 1, moment + 1), ("past_times", 1, [moment + 1]))
    assert failures(frame, tmp_path) == {
        told(
            "created",
            "is not before event_timestamp",
            1,
            "2020-05-04T00:00:00.000000 against 2020-05-05T00:00:00.000000",
        ),
        told("seen", "is not after event_timestamp", 1, f"{moment} against {float(moment + 1)}"),
        told("past_times", "is not after event_timestamp", 1, f"{moment} against {float(moment + 1)}"),
    }


def test_repeated_rows_and_seconds_fail(tmp_path: Path) -> None:
    frame = broken(("event_timestamp", 1, START)).with_columns(pl.col("seen").abs() // 1_000_000)
    found = failures(frame, tmp_path)
    assert len(found) == 2
    unit = told("seen", "is in microseconds, not seconds", 3, "")
    assert [failure for failure in found if failure.startswith(unit.removesuffix(")"))]
    repeated = "user_things: not true that it is unique in user_id and event_timestamp (2 rows; for example user_id a"
    assert [failure for failure in found if failure.startswith(repeated)]


def test_times_before_1970_are_sound(tmp_path: Path) -> None:
    births = pl.Series([micros(datetime(1930 + year, 5, 1)) for year in range(table().height)])
    assert validate(VIEW, table().with_columns(seen=births), docs=tmp_path).failures == ()


def test_a_history_too_long_or_out_of_step_fails(tmp_path: Path) -> None:
    assert failures(broken(("past_items", 2, ["i"] * 3), ("past_counts", 1, [])), tmp_path) == {
        told("past_items", "has at most 2 elements", 1, "3.0"),
        told("past_times", "is as long as past_items", 1, "2.0 against 3.0"),
        told("past_counts", "is as long as past_items", 2, "0.0 against 1.0; 2.0 against 3.0"),
        told("past_decayed", "is as long as past_items", 1, "2.0 against 3.0"),
    }


def test_an_empty_table_fails(tmp_path: Path) -> None:
    assert failures(table().head(0), tmp_path) == {
        "user_things: not true that it has at least one row (0 rows; for example 0)"
    }


def test_wrong_columns_fail_before_values_are_looked_at(tmp_path: Path) -> None:
    frame = broken(("age", 0, -1.0)).drop("city").cast({"money": pl.String})
    assert failures(frame, tmp_path) == {
        told("city", "has type String", 1, "missing"),
        told("money", "has type Float64", 1, "String"),
    }


def test_every_row_of_a_large_table_is_looked_at(tmp_path: Path) -> None:
    rows = 200_000
    large = pl.concat([table()[3:]] * rows).with_columns(user_id=pl.int_range(rows).cast(pl.String))
    large = large.with_columns(age=pl.when(pl.col("user_id") == "199998").then(999.0).otherwise("age"))
    assert failures(large, tmp_path) == {told("age", "is at least 0 and at most 120", 1, "999.0")}


def test_a_profile_may_announce_what_is_to_come(tmp_path: Path) -> None:
    profile = View(name="item_profile", entity=Entity.ITEM, features=(Feature(name="released", kind=Kind.TIMESTAMP),))
    items = table()[:1].select(
        "event_timestamp", "created", item_id=pl.lit("i"), released=pl.lit(micros(START + timedelta(days=90)))
    )
    assert validate(profile, items, docs=tmp_path).success


def test_validation_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    validate(VIEW, table(), docs=tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("broken", ["Kind", "KIND", "kind", "CREATED"])
def test_columns_that_differ_in_case_are_checked_each_by_itself(tmp_path: Path, broken: str) -> None:
    """Great Expectations takes them for one."""
    names = ("Kind", "KIND", "kind", "CREATED")
    kinds = (Kind.NUMERIC, Kind.CATEGORICAL, Kind.MULTI_VALUED, Kind.TIMESTAMP)
    features = tuple(
        Feature(name=name, kind=kind, max_null_share=0, length=2) for name, kind in zip(names, kinds, strict=True)
    )
    view = View(name="user_things", entity=Entity.USER, features=features)
    values = {"Kind": [0.5, 1.0], "KIND": ["a", "b"], "kind": [["a"], []], "CREATED": [micros(START)] * 2}
    rows = table()[1:3].select("user_id", "event_timestamp", "created").with_columns(
        pl.Series(name, each) for name, each in values.items()
    )  # fmt: skip
    assert validate(view, rows, docs=tmp_path).success
    null = rows.with_columns(pl.when(pl.col("user_id") != "a").then(pl.col(broken)).alias(broken))
    (failure,) = validate(view, null, docs=tmp_path).failures
    assert failure.startswith(f"user_things, column {broken!r}: not true that it is never null (1 rows")
