"""Contract of the event log, held by each of its implementations.

The broker of Kafka is the one inside the client's library; a real one is tested where
GATEHOUSE_TEST_KAFKA names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from feature_repo.events.event import EventKind
from feature_repo.events.frames import as_frame, read_frame
from feature_repo.events.log import EventConflictError, EventLog, EventLogError, user_digest
from tests.unit.feature_repo.events.events_world import CLICK, NOW, click
from tests.unit.feature_repo.events.log_kinds import LOGS, Opener, opener


@pytest.fixture(params=LOGS)
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    with opener(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def log(open_log: Opener) -> Iterator[EventLog]:
    log = open_log()
    yield log
    log.close()


def test_events_are_read_as_they_were_appended_in_the_order_of_their_numbers(log: EventLog, open_log: Opener) -> None:
    shown = replace(CLICK, event_id="e4", kind=EventKind.IMPRESSION, position=3, propensity=0.25, request_id="r")
    shown = replace(shown, row=2, column=1, randomised="swap 2")
    shown = replace(shown, time=NOW + timedelta(hours=1))  # a clock that is ahead
    bought = click(3, kind=EventKind.PURCHASE, value=2.5, basket_id="b é 🙂", time=NOW - timedelta(days=2))
    assert log.append([click(2), bought]) == [1, 2]
    assert log.append([replace(shown, arrived=NOW + timedelta(minutes=1))]) == [3]
    read = log.read(0, 10)
    assert [each.sequence for each in read] == [1, 2, 3]
    assert [each.event for each in read] == [click(2), bought, replace(shown, arrived=NOW + timedelta(minutes=1))]
    assert log.read(1, 1) == read[1:2]
    assert log.read(3, 10) == []
    assert_frame_equal(read_frame(log), as_frame(read))
    assert open_log().newest() == 3


def test_an_id_is_kept_once_whenever_it_comes_again(log: EventLog, open_log: Opener) -> None:
    assert log.append([click(1), click(2), click(1)]) == [1, 2, 1]
    later = [replace(click(number), arrived=NOW + timedelta(hours=1)) for number in (2, 3, 1)]
    assert log.append(later) == [2, 3, 1]
    assert [each.event.event_id for each in log.read(0, 10)] == ["e1", "e2", "e3"]
    again = open_log()
    new = replace(click(4), arrived=NOW + timedelta(hours=1))
    assert [each.known for each in again.keep([later[1], later[0], new])] == [True, True, False]
    again.close()


@pytest.mark.parametrize(
    "change",
    [{"item_id": "i2"}, {"value": 1.0}, {"time": NOW}, {"kind": EventKind.VIEW}, {"row": 2}, {"randomised": "slice"}],
)
def test_an_id_of_another_content_is_refused_with_its_call(log: EventLog, change: dict[str, Any]) -> None:
    log.append([click(1)])
    with pytest.raises(EventConflictError, match="field 'event_id' is 'e1'"):
        log.append([click(5), replace(click(1), **change)])
    with pytest.raises(EventConflictError):
        log.append([click(6), replace(click(6), **change)])
    assert [each.event for each in log.read(0, 10)] == [click(1)]


def test_arrivals_ascend_with_the_numbers_and_strictly_between_commits(log: EventLog) -> None:
    """A run that has read the log up to a time has read every event of that time."""
    log.append([click(1), click(5)])
    log.append([click(4, time=NOW), click(5, event_id="same moment")])
    arrivals = [each.event.arrived for each in log.read(0, 10)]
    assert arrivals[:2] == [click(1).arrived, click(5).arrived]
    assert arrivals[2] > arrivals[1]
    assert arrivals == sorted(arrivals)


def test_events_before_the_newest_arrival_are_refused(log: EventLog) -> None:
    """A clock was ahead: behind its events, all others would count in a time to come."""
    log.append([click(100)])
    log.append([click(40)])
    with pytest.raises(EventLogError, match="arrived at 2024-05-31 18:01:40"):
        log.append([click(39)])
    assert log.newest() == 2


def test_two_processes_write_into_one_order(log: EventLog, open_log: Opener) -> None:
    other = open_log()
    log.append([click(1)])
    assert other.append([click(2)]) == [2]
    assert log.append([click(2), click(3)]) == [2, 3]
    other.close()


def test_a_consumers_offset_is_kept_and_never_goes_back(log: EventLog, open_log: Opener) -> None:
    assert log.committed("features") == 0
    log.commit("features", 7)
    log.commit("features", 5)
    log.commit("other", 1)
    assert (log.committed("features"), open_log().committed("other")) == (7, 1)


def test_many_callers_get_their_own_numbers(log: EventLog) -> None:
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(log.append, [click(number), click(20 + number)]) for number in range(16)]
    stored = {each.event.event_id: each.sequence for each in log.read(0, 100)}
    assert sorted(stored.values()) == list(range(1, 33))
    for number, call in enumerate(calls):
        assert call.result() == [stored[f"e{number}"], stored[f"e{20 + number}"]]


def test_a_forgotten_user_is_read_no_more_and_begins_anew(log: EventLog, open_log: Opener) -> None:
    log.append([click(1), click(2, user_id="gone"), click(3), click(4, user_id="gone")])
    assert (log.count("gone"), log.count("u1"), log.count("nobody")) == (2, 2, 0)
    other = open_log()
    assert other.append([click(2, user_id="gone")]) == [2]
    assert log.forget("gone", NOW + timedelta(seconds=5)) == 2
    assert log.forget("gone", NOW) == 0
    assert log.count("gone") == 0
    first, second = log.forgotten(0)
    assert log.forgotten(first.sequence) == [second]
    assert {first.digest, second.digest} == {user_digest("gone")}
    assert 4 < first.sequence < second.sequence
    again = other.append([click(2, user_id="gone"), click(8, user_id="gone")])
    assert again[0] > second.sequence
    for each in (log, other):
        assert [found.sequence for found in each.read(0, 10)] == [1, 3, *again]
        assert [found.sequence for found in each.read(1, 2)] == [3, again[0]]
        assert [found.sequence for found in each.forgotten(0)] == [first.sequence, second.sequence]
    assert log.count("gone") == 2
    frame = read_frame(log)
    assert frame["event_id"].drop_nulls().to_list() == ["e1", "e3", "e2", "e8"]
    assert frame["sequence"].max() == again[1]
    other.close()
