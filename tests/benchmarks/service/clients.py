"""Clients of a service that may fail: each answer is whole, says that it is not, or is an error."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from tests.benchmarks.service.open_loop import Reply, get, post

WHOLE, DEGRADED, REFUSED, ERROR = "whole", "degraded", "refused", "error"
"""Outcomes: as it should be; flagged; 503 with the time to try again; anything else."""


@dataclass
class Outcomes:
    """Outcome of each request, with its time."""

    found: list[tuple[float, str]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def add(self, reply: Reply, outcome: str, why: str = "") -> None:
        """Note an outcome."""
        self.found.append((reply.at, outcome))
        self.seconds.append(reply.seconds)
        if outcome == ERROR:
            self.errors.append(f"{reply.status}: {why or reply.body.decode()}")

    def count(self) -> Counter[str]:
        """Number of requests by outcome."""
        return Counter(outcome for _, outcome in self.found)

    def between(self, begin: float, end: float) -> Counter[str]:
        """Number of requests by outcome, of those that ended in a time."""
        return Counter(outcome for at, outcome in self.found if begin <= at < end)

    def last_not_whole(self, begin: float, end: float) -> float:
        """End of the last request of a time that was not whole; its begin if all were."""
        return max((at for at, outcome in self.found if begin <= at < end and outcome != WHOLE), default=begin)


class Readers:
    """Clients who ask for recommendations of known users, of whom features are stored.

    Args:
        users: the users.
        k: number of items.
    """

    def __init__(self, users: Sequence[str], k: int) -> None:
        self._requests = [get(f"/v1/recommendations/{quote(user, safe='')}?k={k}") for user in users]
        self._k = k
        self.outcomes = Outcomes()

    def ask(self, number: int) -> bytes:
        """Request of a number."""
        return self._requests[number % len(self._requests)]

    def take(self, reply: Reply) -> None:
        """Take a reply."""
        if reply.status == 200:
            self.outcomes.add(reply, *self._read(orjson.loads(reply.body)))
        else:
            self.outcomes.add(reply, _refused(reply))

    def _read(self, told: dict[str, Any]) -> tuple[str, str]:
        # `stale` is no fault of the service: the data of the made world is old.
        if "degraded" in told["flags"]:
            return DEGRADED, ""
        if told["source"] == "two_tower" and len(told["items"]) == self._k:
            return WHOLE, ""
        return ERROR, f"{told['user_id']} has {len(told['items'])} items of {told['source']}, flagged {told['flags']}"


class Writers:
    """Clients who send events, each again until it is accepted.

    Args:
        event: makes the event of a number, with an id of its own.
    """

    def __init__(self, event: Callable[[int], dict[str, Any]]) -> None:
        self._event = event
        self._again: deque[dict[str, Any]] = deque()
        self._sent: dict[int, dict[str, Any]] = {}
        self._made = 0
        self.accepted: dict[str, dict[str, Any]] = {}
        """Accepted events by id."""
        self.outcomes = Outcomes()

    @property
    def waiting(self) -> int:
        """Events that are to be sent again, or have no answer yet."""
        return len(self._again) + len(self._sent)

    def ask(self, number: int) -> bytes:
        """Request of a number: an event that was refused, else a new one."""
        if self._again:
            event = self._again.popleft()
        else:
            event, self._made = self._event(self._made), self._made + 1
        self._sent[number] = event
        return post("/v1/events", event)

    def take(self, reply: Reply) -> None:
        """Take a reply."""
        event = self._sent.pop(reply.number)
        if reply.status == 200:
            self.accepted[event["event_id"]] = event
            self.outcomes.add(reply, WHOLE)
        else:
            self._again.append(event)
            self.outcomes.add(reply, _refused(reply))


def _refused(reply: Reply) -> str:
    return REFUSED if reply.status == 503 and "retry-after" in reply.headers else ERROR
