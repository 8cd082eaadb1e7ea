"""Mistakes in the event log and in what is made of its events."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

EVENT, LOG = "tests/unit/feature_repo/events/test_event.py", "tests/unit/feature_repo/events/test_sqlite_log.py"

IN_EVENTS = [
    Mistake(
        name="an event of a clock that is ahead hidden from the next answer",
        module="feature_repo.events.event",
        right="return min(self.time, self.arrived)",
        wrong="return self.time",
        test=f"{EVENT}::test_an_event_of_a_clock_that_is_ahead_happened_when_it_arrived",
    ),
    Mistake(
        name="an event kept again when its client sends it again",
        module="feature_repo.events.sqlite_log",
        right="if event.event_id not in known:",
        wrong="if True:",
        test=f"{LOG}::test_an_id_is_kept_once_whenever_it_comes_again",
    ),
    Mistake(
        name="an id of another content taken for the same event",
        module="feature_repo.events.sqlite_log",
        right="if conflict is not None:",
        wrong="if False:",
        test=f"{LOG}::test_an_id_of_another_content_is_refused_with_its_call",
    ),
    Mistake(
        name="arrivals as this moment's clock has them",
        module="feature_repo.events.sqlite_log",
        right="max(earliest, microseconds(event.arrived))",
        wrong="microseconds(event.arrived)",
        test=f"{LOG}::test_arrivals_ascend_with_the_numbers_and_strictly_between_commits",
    ),
    Mistake(
        name="a commit that a loss of power takes back",
        module="feature_repo.events.sqlite_log",
        right="PRAGMA synchronous = FULL",
        wrong="PRAGMA synchronous = NORMAL",
        test=f"{LOG}::test_a_commit_is_on_the_disk",
    ),
    Mistake(
        name="events acknowledged and taken back",
        module="feature_repo.events.sqlite_log",
        right='self._writer.execute("COMMIT")',
        wrong='self._writer.execute("ROLLBACK")',
        test=f"{LOG}::test_events_are_read_as_they_were_appended_in_the_order_of_their_numbers",
    ),
    Mistake(
        name="a call that waits answered with the numbers of its neighbour",
        module="feature_repo.events.group_commit",
        right="zip(group, outcomes, strict=True)",
        wrong="zip(group, reversed(outcomes), strict=True)",
        test=f"{LOG}::test_many_callers_share_a_commit_and_each_gets_its_own_numbers",
    ),
    Mistake(
        name="a queue without a bound",
        module="feature_repo.events.group_commit",
        right="if self._size + len(call.items) > self._limit:",
        wrong="if False:",
        test=f"{LOG}::test_more_than_may_wait_is_refused_and_the_rest_goes_on",
    ),
    Mistake(
        name="an offset of a consumer that goes back",
        module="feature_repo.events.sqlite_log",
        right="connection.execute(_COMMIT, (consumer, sequence))",
        wrong='connection.execute("INSERT OR REPLACE INTO offsets VALUES (?, ?)", (consumer, sequence))',
        test=f"{LOG}::test_a_consumers_offset_is_kept_and_never_goes_back",
    ),
]
