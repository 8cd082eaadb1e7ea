"""Moments of requests: given, present, or that of a log that has stopped."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from feature_repo.store.online_rows import UNKNOWN_TIME
from feature_repo.utc import microseconds
from serving.request_time import STOPPED, RequestTime

NOW, HOUR = datetime(2024, 6, 1, 9), timedelta(hours=1)


def moment(at: datetime | None = None, loaded: datetime | None = NOW - 9 * HOUR) -> RequestTime:
    return RequestTime.of(at, now=NOW, loaded=loaded)


def test_a_request_is_of_the_present_while_the_log_goes_on() -> None:
    for loaded in (None, NOW, NOW - HOUR, NOW - STOPPED):
        assert moment(loaded=loaded) == RequestTime(moment=NOW)


def test_features_ahead_of_this_clock_have_no_negative_age() -> None:
    assert moment(loaded=NOW + HOUR) == RequestTime(moment=NOW + HOUR)


def test_a_log_that_has_stopped_is_asked_at_its_end_and_says_so() -> None:
    found = moment(loaded=NOW - STOPPED - HOUR)
    assert found.moment == NOW - STOPPED - HOUR
    assert found.note == "answered as of 2024-05-02, the time of the newest features"


def test_a_named_time_always_holds() -> None:
    for loaded in (None, NOW, NOW - 100 * STOPPED, NOW + HOUR):
        assert moment(NOW + 7 * HOUR, loaded) == RequestTime(moment=NOW + 7 * HOUR)


def stale(rows: list[datetime | None], loaded: datetime | None, at: datetime = NOW) -> list[bool]:
    times_B = np.array([UNKNOWN_TIME if row is None else microseconds(row) for row in rows])
    found: list[bool] = RequestTime(moment=at).stale(times_B, loaded=loaded, limit=7 * 24 * HOUR).tolist()
    return found


def test_features_are_as_old_as_the_load_or_as_a_newer_row() -> None:
    week = 7 * 24 * HOUR
    quiet, pushed = NOW - 100 * week, NOW - HOUR
    assert stale([quiet, pushed, None], loaded=NOW - week) == [False, False, False]
    assert stale([quiet, pushed, None], loaded=NOW - week - HOUR) == [True, False, False]
    assert stale([quiet, pushed, None], loaded=None) == [True, False, False]
    assert stale([quiet], loaded=NOW - 2 * week, at=NOW - 2 * week) == [False]


def test_a_time_far_from_the_present_has_an_age_too() -> None:
    assert stale([datetime(1, 1, 1), datetime(9999, 12, 31)], loaded=None) == [True, False]
