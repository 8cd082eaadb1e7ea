"""Moments of user snapshots at each granularity, against their definition."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import polars as pl
import pytest

from feature_repo.granularity import Granularity
from feature_repo.sessions import snapshot_moments
from tests.logs import GRANULARITIES, START, Event, known, random_event, random_events, tables_of

GAPS = {"session 6h": timedelta(hours=6), "session 2d": timedelta(days=2)}


def session_start(event: Event, events: list[Event], gap: timedelta) -> datetime:
    """Start of the session of the user's newest event known before, if that is near enough."""
    before = [each for each in events if each["user_id"] == event["user_id"] and known(each) < event["timestamp"]]
    newest = max(before, key=lambda each: each["timestamp"], default=None)
    if newest is None or event["timestamp"] - newest["timestamp"] > gap:
        return event["timestamp"]
    return session_start(newest, events, gap)


def moments_of(events: list[Event], granularity: str) -> dict[tuple[str, datetime], datetime]:
    log = tables_of(events).events
    found = log.select("user_id", "timestamp", moment=snapshot_moments(log, granularity))
    return {(user, time): moment for user, time, moment in found.iter_rows()}


@pytest.mark.parametrize("granularity", GAPS)
@pytest.mark.parametrize("seed", range(3))
def test_a_session_goes_on_while_what_is_known_of_it_is_near(seed: int, granularity: str) -> None:
    events = random_events(seed, 500)
    found = moments_of(events, granularity)
    for event in events:
        wanted = session_start(event, events, GAPS[granularity])
        assert found[event["user_id"], event["timestamp"]] == wanted
    own = sum(time == moment for (_, time), moment in found.items())
    assert 0 < own < len(found)


def test_a_long_session_has_one_start_and_a_user_none_of_another() -> None:
    times = pl.datetime_range(START, START + timedelta(hours=30), "30m", eager=True, time_unit="us")
    log = pl.concat([pl.DataFrame({"user_id": user, "timestamp": times, "created": times}) for user in "ab"])
    log = log.with_columns(pl.when(user_id="b").then(pl.col("timestamp") + timedelta(hours=1)).otherwise("timestamp"))
    log = log.with_columns(created="timestamp").sample(fraction=1.0, shuffle=True, seed=1)
    starts = log.with_columns(start=snapshot_moments(log, "session 30m")).group_by("user_id").agg("start")
    assert {user: set(found) for user, found in starts.iter_rows()} == {"a": {START}, "b": {START + timedelta(hours=1)}}
    alone = snapshot_moments(log, "session 29m")
    assert alone.to_list() == log["timestamp"].to_list()


def test_an_event_is_its_own_moment_and_a_day_starts_at_midnight() -> None:
    log = tables_of(random_events(0)).events
    assert snapshot_moments(log, "event").to_list() == log["timestamp"].to_list()
    days = [datetime(each.year, each.month, each.day) for each in log["timestamp"]]
    assert snapshot_moments(log, "day").to_list() == days


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("seed", range(3))
def test_a_moment_depends_on_nothing_that_comes_after_it(seed: int, granularity: str) -> None:
    dice, until = random.Random(seed), START + timedelta(days=60)
    events = random_events(seed)
    past = [event for event in events if known(event) < until]
    future = [event for event in (random_event(dice) for _ in range(200)) if known(event) >= until]
    wanted = moments_of(past, granularity)
    for other in (events, past + future):
        found = moments_of(other, granularity)
        assert wanted.items() <= found.items()
        assert all(moment <= time for (_, time), moment in found.items())


@pytest.mark.parametrize("wrong", ["hour", "session", "session 30", "session 0m", "session 1.5h", "Day", ""])
def test_other_words_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="wanted day, event, or a session"):
        Granularity.of(wrong)


def test_gaps_are_read_with_their_unit() -> None:
    gaps = {text: Granularity.of(f"session {text}").gap for text in ("45s", "30m", "6h", "2d")}
    wanted = (timedelta(seconds=45), timedelta(minutes=30), timedelta(hours=6), timedelta(days=2))
    assert tuple(gaps.values()) == wanted
