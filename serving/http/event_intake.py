"""Way of clients' events into the log: checked, bounded, and on the disk before the answer.

The log's group commit writes all calls that wait in one transaction, so each call waits
in a thread, and the event loop goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Lock
from time import perf_counter
from typing import Any

from feature_repo.errors import InputError
from feature_repo.event_kinds import DEFAULT_KINDS, Kinds, Role, of_role
from feature_repo.events.event import Event, parse_event
from feature_repo.events.log import EventLog, EventLogError, Kept, LogBusyError, OutcomeUnknownError
from feature_repo.utc import present_time
from serving.http.batcher import OverloadedError
from serving.http.errors import BUSY_SECONDS, SHOWN, ApiError
from serving.http.metrics import Metrics
from serving.service_settings import ServiceSettings

logger = logging.getLogger(__name__)
CALLS_AT_ONCE = 32
"""Requests that share one commit."""
AWAY_SECONDS = 5
"""Retry-After while the log cannot be written."""
NOTHING_KEPT = "nothing of this request was kept"
SOME_MAY_BE_KEPT = "send the request again as it is: what was kept counts once"


class EventIntake:
    """Intake of one event log. The log is opened by the first events.

    Args:
        open_log: opens the log; called in a thread.
        settings: limits of the service.
        metrics: told the outcome of each event.
        kinds: kinds of events that are taken.
        now: present time, naive UTC.
    """

    def __init__(
        self,
        open_log: Callable[[], EventLog],
        settings: ServiceSettings,
        metrics: Metrics,
        *,
        kinds: Callable[[], Kinds] = lambda: DEFAULT_KINDS,
        now: Callable[[], datetime] = present_time,
    ) -> None:
        self._open, self._settings, self._metrics, self._now = open_log, settings, metrics, now
        self._kinds = kinds
        # Not asyncio's own threads: a disk that hangs must not delay looks for the champion.
        self._threads = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="event-log")
        self._log: EventLog | None = None
        self._opening = Lock()
        self._waiting = 0
        self.problem: str | None = None
        """Reason why the newest events could not be kept; None if they were."""

    async def take(self, raw: Sequence[Any]) -> list[Kept]:
        """Check the events of a request and keep them.

        Args:
            raw: the events as they came.

        Returns:
            Outcome of each event; all are on the disk.

        Raises:
            ApiError: an event cannot be used, or the log cannot be written.
            OverloadedError: too many events wait for the disk.
        """
        started = perf_counter()
        try:
            kept = await self._keep(self._checked(raw))
        except InputError as error:
            self._count("invalid", len(raw))
            raise ApiError(422, f"{error}; {NOTHING_KEPT}") from error
        except OverloadedError:
            self._count("refused", len(raw))
            raise
        except (EventLogError, OSError) as error:
            self._count("refused", len(raw))
            self._note(error)
            pause = BUSY_SECONDS if isinstance(error, LogBusyError) else AWAY_SECONDS
            kept_what = SOME_MAY_BE_KEPT if isinstance(error, OutcomeUnknownError) else NOTHING_KEPT
            raise ApiError(503, f"{self.problem}; {kept_what}", retry_after=pause) from error
        self._metrics.event_seconds.observe(perf_counter() - started)
        known = sum(each.known for each in kept)
        self._count("known", known)
        self._count("accepted", len(kept) - known)
        self.problem = None
        return kept

    def is_interaction(self, kind: str) -> bool:
        """Whether a kind of events changes the features of its user."""
        return kind in of_role(self._kinds(), Role.INTERACTION)

    async def behind(self, position: int) -> tuple[int, float]:
        """Number of events behind a number of the log, and the age of the first in seconds.

        EventLogError or OSError if the log cannot be read.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._behind, position)

    def close(self) -> None:
        """Wait for what is being written, and close the log."""
        self._threads.shutdown()
        if self._log:
            self._log.close()

    def _checked(self, raw: Sequence[Any]) -> list[Event]:
        most, arrived, kinds = self._settings.max_events, self._now(), self._kinds()
        if not 1 <= len(raw) <= most:
            raise InputError(f"the request has {len(raw):,} events, wanted 1 to {most:,}")
        events = []
        for number, fields in enumerate(raw):
            if not isinstance(fields, dict):
                raise InputError(f"events[{number}] is {shown(fields)}, wanted an object")
            try:
                events.append(parse_event(fields, arrived, kinds))
            except InputError as error:
                raise InputError(f"events[{number}], of id {shown(fields.get('event_id'))}: {error}") from error
        return events

    async def _keep(self, events: Sequence[Event]) -> list[Kept]:
        most = self._settings.queue_events
        # As in the queue of an engine, an idle log takes a request of any size.
        if self._waiting and self._waiting + len(events) > most:
            raise OverloadedError(f"{self._waiting:,} events wait for the disk, at most {most:,} may; {NOTHING_KEPT}")
        self._waiting += len(events)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._write, events)
        finally:
            self._waiting -= len(events)

    def _write(self, events: Sequence[Event]) -> list[Kept]:
        return self._opened().keep(events)

    def _behind(self, position: int) -> tuple[int, float]:
        log = self._opened()
        first = log.read(position, 1)
        if not first:
            return 0, 0.0
        age = (self._now() - first[0].event.arrived).total_seconds()
        return log.newest() - position, max(0.0, age)

    def _opened(self) -> EventLog:
        with self._opening:
            self._log = self._log or self._open()
            return self._log

    def _count(self, outcome: str, events: int) -> None:
        self._metrics.events.labels(outcome).inc(events)

    def _note(self, error: Exception) -> None:
        """Note why the log cannot be written, for clients without the path before it."""
        text = str(error)
        self.problem = f"events cannot be kept: {text.partition(': ')[2] or text}"
        logger.error(text)


def shown(value: object) -> str:
    """Value in a message."""
    text = ascii(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
