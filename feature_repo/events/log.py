"""Event log: the one place where events are kept, in the order of their arrival."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from feature_repo.errors import InputError
from feature_repo.events.event import Event


class EventLogError(RuntimeError):
    """Log that cannot be written or read; nothing of the call has been kept."""


class OutcomeUnknownError(EventLogError):
    """Write that broke on its way: the same call again keeps each event once."""


class LogBusyError(EventLogError):
    """Log that has too much to do; the same call may succeed a little later."""


class EventConflictError(InputError):
    """Event whose id the log holds with another content."""


@dataclass(frozen=True, slots=True)
class Logged:
    """Event with its number."""

    sequence: int
    """Number in the log, from 1, ascending in the order of arrival."""
    event: Event
    """The event. Its arrival is that of the log, see `EventLog.keep`."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Outcome of one event of a call."""

    sequence: int
    """Number of the event in the log."""
    known: bool
    """Whether the log had the event before, or has it from earlier in the call."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Note that a user was forgotten: no event before it may count any more."""

    sequence: int
    """Number in the log, above those of the user's events."""
    arrived: datetime
    """Time of the note in the order of the arrivals."""
    digest: str
    """User, as of `user_digest`: the id itself is gone."""


def user_digest(user_id: str) -> str:
    """SHA-256 of a user's id, in hex."""
    return hashlib.sha256(user_id.encode()).hexdigest()


class EventLog(Protocol):
    """Log of events in one order, of which none is lost and none is kept twice.

    There are two: a file of SQLite, and a topic of Kafka.
    """

    def keep(self, events: Sequence[Event]) -> list[Kept]:
        """Keep events; they are on the disk when this returns.

        An id that the log holds keeps its first number. Arrivals ascend with the
        numbers, strictly from one commit to the next: an arrival that is not later than
        those of earlier commits is moved behind them. So a reader who has read up to a
        time will find no further event of that time.

        Args:
            events: the events.

        Returns:
            Number of each, and whether it was known, in the same order.

        Raises:
            EventConflictError: an id that the log holds with another content; none of
                these events has been kept.
            LogBusyError: too many events wait, or another process holds the log.
            OutcomeUnknownError: some of these events may have been kept.
            EventLogError: the disk is full, the log is damaged or away, or its newest
                event arrived more than a minute after these.
        """
        ...

    def append(self, events: Sequence[Event]) -> list[int]:
        """Keep events, as of `keep`, and return their numbers alone."""
        ...

    def read(self, after: int, limit: int) -> list[Logged]:
        """Events behind a number, in order.

        Args:
            after: number behind which they lie; 0 for the first.
            limit: largest number of events.
        """
        ...

    def newest(self) -> int:
        """Number of the newest event; 0 for an empty log."""
        ...

    def committed(self, consumer: str) -> int:
        """Number up to which a consumer has worked; 0 before its first commit."""
        ...

    def commit(self, consumer: str, sequence: int) -> None:
        """Note the number up to which a consumer has worked. It never goes back."""
        ...

    def count(self, user_id: str) -> int:
        """Number of a user's events."""
        ...

    def forget(self, user_id: str, at: datetime) -> int:
        """Delete the events of a user for good, and note so.

        Args:
            user_id: the user.
            at: present time, naive UTC.

        Returns:
            Number of deleted events. Their numbers stay used.
        """
        ...

    def forgotten(self, after: int) -> list[Forgotten]:
        """Notes of forgotten users behind a number, in order."""
        ...

    def close(self) -> None:
        """Close files and connections."""
        ...
