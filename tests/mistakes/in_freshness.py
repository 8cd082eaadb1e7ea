"""Mistakes on the way of an event into the next answer."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake

EVENTS = "tests/unit/serving/http/test_events.py"
WATCH = "tests/unit/serving/http/test_consumer_watch.py"

IN_FRESHNESS = [
    Mistake(
        name="events without a time in conflict with themselves",
        module="feature_repo.events.numbering",
        right="if known and event.time == event.arrived:",
        wrong="if False:",
        test=f"{EVENTS}::test_an_event_that_comes_again_is_known_and_counts_once",
    ),
    Mistake(
        name="events that wait without a bound",
        module="serving.http.event_intake",
        right="if self._waiting and self._waiting + len(events) > most:",
        wrong="if False:",
        test=f"{EVENTS}::test_a_slow_disk_stops_nothing_else_and_the_queue_is_bounded",
    ),
    Mistake(
        name="events written by the event loop itself",
        module="serving.http.event_intake",
        right="return await asyncio.get_running_loop().run_in_executor(self._threads, self._write, events)",
        wrong="return self._write(events)",
        test=f"{EVENTS}::test_a_slow_disk_stops_nothing_else_and_the_queue_is_bounded",
    ),
    Mistake(
        name="events answered before they are kept",
        module="serving.http.event_intake",
        right="return self._opened().keep(events)",
        wrong="return [Kept(1, False) for _ in events]",
        test=f"{EVENTS}::test_events_are_in_the_log_with_the_servers_arrival_when_the_answer_comes",
    ),
    Mistake(
        name="the path of the event log told to clients",
        module="serving.http.event_intake",
        right="{text.partition(': ')[2] or text}",
        wrong="{text}",
        test=f"{EVENTS}::test_a_full_disk_is_told_and_nothing_is_lost",
    ),
    Mistake(
        name="a consumer that ended left alone",
        module="serving.http.consumer_watch",
        right="            while True:\n                await asyncio.sleep(await self._live())",
        wrong="            await asyncio.sleep(await self._live())",
        test=f"{WATCH}::test_a_consumer_that_ends_is_started_again_and_seen",
    ),
    Mistake(
        name="a consumer left behind by its service",
        module="serving.http.consumer_watch",
        right="            await end_process(process)",
        wrong="            pass",
        test=f"{WATCH}::test_the_lag_is_measured_behind_the_position_that_is_told",
    ),
    Mistake(
        name="a lag that nobody is told of",
        module="serving.http.consumer_watch",
        right="late if seconds > LATE_SECONDS else None",
        wrong="None",
        test=f"{WATCH}::test_the_lag_is_measured_behind_the_position_that_is_told",
    ),
    Mistake(
        name="a problem of the consumer that never ends",
        module="serving.http.consumer_watch",
        right="        self._told = problem\n",
        wrong="        self._told = problem or self._told\n",
        test=f"{WATCH}::test_what_a_consumer_cannot_do_is_a_problem_until_it_can",
    ),
]
