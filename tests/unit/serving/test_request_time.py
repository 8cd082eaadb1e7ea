"""Moments of requests: given, present, or that of a log that has stopped."""

from __future__ import annotations

from datetime import datetime, timedelta

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
