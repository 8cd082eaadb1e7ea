"""Loop of a consumer, for a thread or a process of its own."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from threading import Event

from feature_repo.errors import InputError, NewerOnlineError
from feature_repo.events.consumer import EVENTS_AT_ONCE, Consumer
from feature_repo.events.log import EventLogError

PAUSE_SECONDS = 0.02
"""Wait where the log has nothing new."""
BATCH_SECONDS = 0.1
"""Shortest time from the begin of a batch to that of the next."""
RETRY_SECONDS = 1.0
"""Wait after an error: a full disk, or a database that another process holds."""
CHECK_SECONDS = 5.0
"""Time without events after which the consumer looks for newer data."""


def follow(open_consumer: Callable[[], Consumer], stop: Event, tell: Callable[[str], None]) -> None:
    """Keep online features fresh until told to stop.

    After a run has loaded newer data, a new consumer goes on from that. What breaks is
    told and tried again: the log keeps the events meanwhile.

    Args:
        open_consumer: makes a consumer of the newest base.
        stop: set to stop.
        tell: told what went wrong.
    """
    while not stop.is_set():
        try:
            _follow_one(open_consumer(), stop)
        except NewerOnlineError as error:
            tell(f"event log: {error}")
            stop.wait(PAUSE_SECONDS)
        except (EventLogError, InputError, OSError, sqlite3.Error) as error:
            tell(f"event log: {error}; tried again in {RETRY_SECONDS:g} s")
            stop.wait(RETRY_SECONDS)


def _follow_one(consumer: Consumer, stop: Event) -> None:
    """Follow the log from one base."""
    idle = 0.0
    while not stop.is_set():
        started = time.monotonic()
        if taken := consumer.step():
            idle = 0.0
            if taken < EVENTS_AT_ONCE:
                # A batch has a cost of its own, whoever is in it. Taken as fast as can be,
                # batches of a few users would keep a core busy at any rate of events.
                stop.wait(max(0.0, started + BATCH_SECONDS - time.monotonic()))
            continue
        stop.wait(PAUSE_SECONDS)
        idle += PAUSE_SECONDS
        if idle >= CHECK_SECONDS:
            consumer.check()
            idle = 0.0
