"""Group commit: the calls of many threads in one transaction, by one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition
from typing import Generic, TypeVar

from feature_repo.errors import InputError
from feature_repo.events.log import EventLogError, LogBusyError

Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Item, Result]):
    """Queue of calls that are written together.

    One caller writes for all that wait, and then wakes them. So a group is what came
    while the group before was on its way to the disk.

    Args:
        write: writes the items of some calls in one transaction, and returns the result
            of each call, or the error that refuses it alone.
        limit: largest number of items that may wait.
    """

    def __init__(self, write: Callable[[list[Sequence[Item]]], list[Result | Exception]], limit: int) -> None:
        self._write, self._limit = write, limit
        self._waiting: list[_Call[Item, Result]] = []
        self._size = 0
        self._busy = False
        self._changed = Condition()

    def submit(self, items: Sequence[Item]) -> Result:
        """Write items, and return when they are written.

        Raises:
            InputError: more items than may ever wait.
            LogBusyError: too many items wait already.
        """
        call: _Call[Item, Result] = _Call(items)
        with self._changed:
            self._add(call)
            self._changed.wait_for(lambda: call.outcome is not None or not self._busy)
            group = [] if call.outcome is not None else self._begin()
        if group:
            self._write_group(group)
        if isinstance(call.outcome, Exception):
            raise call.outcome
        assert call.outcome is not None, "a written call has a result"
        return call.outcome

    def _add(self, call: _Call[Item, Result]) -> None:
        if len(call.items) > self._limit:
            raise InputError(f"{len(call.items):,} events at once; wanted at most {self._limit:,}: send them in parts")
        if self._size + len(call.items) > self._limit:
            raise LogBusyError(
                f"{self._size:,} events wait for the disk, at most {self._limit:,} may: send these again later"
            )
        self._waiting.append(call)
        self._size += len(call.items)

    def _begin(self) -> list[_Call[Item, Result]]:
        """Take all that waits; until it is written, nobody else writes."""
        group, self._waiting, self._busy = self._waiting, [], True
        return group

    def _write_group(self, group: list[_Call[Item, Result]]) -> None:
        # For an interruption, which reaches the writing thread alone.
        outcomes: list[Result | Exception] = [EventLogError("the write was interrupted; send these again")] * len(group)
        try:
            outcomes = self._write([call.items for call in group])
        except Exception as error:  # noqa: BLE001 (each of the calls raises it)
            outcomes = [error] * len(group)
        finally:
            with self._changed:
                for call, outcome in zip(group, outcomes, strict=True):
                    call.outcome = outcome
                self._size -= sum(len(call.items) for call in group)
                self._busy = False
                self._changed.notify_all()


@dataclass(eq=False)
class _Call(Generic[Item, Result]):
    """Call that waits."""

    items: Sequence[Item]
    """What it writes."""
    outcome: Result | Exception | None = None
    """Its result or its error; None until it is written."""
