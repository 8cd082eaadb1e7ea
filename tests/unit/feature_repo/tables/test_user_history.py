"""User histories against a search through the log."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.schema import Entity
from feature_repo.tables import user_history as history
from feature_repo.tables.build import feature_tables
from tests.logs import MOMENTS, START, Event, microseconds, random_events, seen, tables_of

HALF_LIFE_DAYS = 30
LISTS = ["history_items", "history_times", "history_counts", "history_decayed"]


def history_table(events: list[Event], length: int, moments: tuple[datetime, ...] = MOMENTS) -> pl.DataFrame:
    return feature_tables(tables_of(events, length=length), Entity.USER, moments)["user_history"]


def last_items(events: list[Event], length: int) -> tuple[list[str], list[int], list[int], list[Any]]:
    """Distinct items of a user, newest first, equally new ones by id.

    Each has its last time, its count and its decayed count.
    """
    times: dict[str, list[int]] = {}
    for event in events:
        times.setdefault(event["item_id"], []).append(microseconds(event["timestamp"]))
    items = sorted(times, key=lambda item: (-max(times[item]), item))[:length]
    now, half_life = microseconds(START + timedelta(days=400)), HALF_LIFE_DAYS * 86_400_000_000
    decayed = [sum(0.5 ** ((now - time) / half_life) for time in times[item]) for item in items]
    moments = [pytest.approx(now + half_life * math.log2(each), abs=1000) for each in decayed]
    return items, [max(times[item]) for item in items], [len(times[item]) for item in items], moments


@pytest.mark.parametrize("length", [1, 4, 100])
@pytest.mark.parametrize("seed", range(4))
def test_histories_are_the_last_items(seed: int, length: int) -> None:
    events = random_events(seed)
    table = history_table(events, length)
    for user, moment, *lists in table.select("user_id", "event_timestamp", *LISTS).iter_rows():
        assert tuple(lists) == last_items(seen(events, "user_id", user, moment), length)
    longest = table["history_items"].list.len().max()
    assert min(length, 10) <= longest <= length  # type: ignore[operator]


def test_events_of_120_years_ago_are_counted_like_new_ones() -> None:
    """2^-1500, of events 120 years apart, is no number above 0."""
    half_life = timedelta(days=HALF_LIFE_DAYS)
    event = random_events(0, 1)[0] | {"user_id": "u0"}
    old, new = START - timedelta(days=45_000), START
    times = (("i0", old - half_life), ("i0", old), ("i0", old), ("i0", old + half_life), ("i1", new))
    events = [event | {"item_id": id_, "timestamp": time, "created": time} for id_, time in times]
    table = history_table(events, 4, moments=(START + timedelta(days=1),)).filter(user_id="u0")
    moment = old + half_life * math.log2(0.5 + 1 + 1 + 2)
    assert table["history_decayed"].to_list()[-1] == [microseconds(new), pytest.approx(microseconds(moment), abs=1)]


def test_silent_users_and_first_days_have_empty_lists() -> None:
    table = history_table(random_events(0), 4)
    first = table.group_by("user_id", maintain_order=True).first()
    assert table.select(LISTS).null_count().sum_horizontal().item() == 0
    assert first.select(pl.col(LISTS).list.len().max()).row(0) == (0, 0, 0, 0)
    assert table.filter(user_id="u8")["history_items"].to_list() == [[]] * len(MOMENTS)


def test_a_log_of_one_day_has_empty_histories() -> None:
    event = random_events(0, 1)[0] | {"timestamp": START, "created": START}
    table = history_table([event], 4, moments=())
    assert table.select(LISTS).rows() == [([], [], [], [])]


def test_a_late_old_event_adds_to_the_count_but_not_to_the_time() -> None:
    day = timedelta(days=1)
    event = random_events(0, 1)[0] | {"user_id": "u0", "item_id": "i0"}
    bought = event | {"timestamp": START + 9 * day, "created": START + 9 * day}
    late = event | {"timestamp": START, "created": START + 20 * day}
    table = history_table([bought, late], 4, moments=(START + 10 * day, START + 21 * day)).filter(user_id="u0")
    assert table["history_counts"].to_list() == [[], [], [1], [2]]
    assert table["history_times"].to_list()[2:] == [[microseconds(START + 9 * day)]] * 2


@pytest.mark.parametrize("rows", [1, 7, 1_000])
def test_the_size_of_the_blocks_does_not_matter(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    events = random_events(5)
    wanted = history_table(events, 4)
    monkeypatch.setattr(history, "ROWS_AT_ONCE", rows)
    assert_frame_equal(history_table(events, 4), wanted)
