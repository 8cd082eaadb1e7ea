"""Events of a time to come, which a wrong clock writes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
import pytest

from feature_repo import datasets
from feature_repo.datasets.canonical import Tables, default_as_of
from feature_repo.datasets.clock import TOLERANCE, drop_future
from feature_repo.errors import InputError
from tests.worlds import taste_groups

FUTURE = datetime(2099, 1, 1)


@pytest.fixture(scope="module")
def tables() -> Tables:
    return taste_groups()


def later(tables: Tables, rows: int, name: str = "timestamp") -> Tables:
    """The same log, with some rows at a time to come."""
    number = pl.int_range(pl.len())
    moved = pl.when(number < rows).then(pl.lit(FUTURE)).otherwise(name).cast(pl.Datetime("us"))
    return replace(tables, events=tables.events.with_columns(moved.alias(name)))


@pytest.mark.parametrize("name", ["timestamp", "created"])
def test_a_few_events_of_the_future_are_dropped_and_counted(tables: Tables, name: str) -> None:
    now = default_as_of(tables)
    kept = drop_future(later(tables, 3, name), now)
    assert kept.events.equals(tables.events[3:])
    assert default_as_of(kept) <= now
    (note,) = kept.notes[len(tables.notes) :]
    assert note.startswith("events: time more than 1 day after the present time")
    assert "2099-01-01" in note
    assert "3 events dropped" in note


def test_more_than_the_usual_share_is_refused(tables: Tables) -> None:
    rows = tables.events.height // 100 + 1
    with pytest.raises(InputError, match=rf"at most 1% may be.*--now\) \({rows} rows; for example 2099"):
        drop_future(later(tables, rows), default_as_of(tables))


def test_the_tolerance_is_kept(tables: Tables) -> None:
    newest = default_as_of(tables) - timedelta(microseconds=1)
    assert drop_future(tables, newest - TOLERANCE) is tables
    assert drop_future(tables, newest - TOLERANCE - timedelta(seconds=1)).events.height < tables.events.height


def test_impressions_are_dropped_likewise(tables: Tables) -> None:
    shown = tables.events.select("user_id", "item_id", "timestamp", "created")
    wrong = later(replace(tables, events=shown), 2).events
    kept = drop_future(replace(tables, impressions=wrong), default_as_of(tables))
    assert kept.impressions is not None
    assert kept.impressions.height == shown.height - 2
    assert kept.events.equals(tables.events)
    assert "2 impressions dropped" in kept.notes[-1]


def test_a_moment_to_come_is_no_moment_to_stand_at() -> None:
    now = datetime(2025, 1, 1)
    assert datasets.load("tiny", as_of=now, now=now).events.height
    with pytest.raises(InputError, match=r"as_of is 2025-03-01.*--now"):
        datasets.load("tiny", as_of=datetime(2025, 3, 1), now=now)
