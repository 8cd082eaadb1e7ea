"""Progress of long loops: whoever shows it listens, and without a listener a loop runs as it is.

One loop is shown at a time, the outermost: what it calls may track loops of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
Listener = Callable[[str, int, int], None]
"""Hears what is counted, how many are done, and of how many."""

_listener: Listener | None = None


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield items and tell the listener how many are done.

    Args:
        items: Anything to loop over.
        what: Noun for the items, in the plural: `batches`.
        total: Number of items, where `len(items)` does not tell.
    """
    global _listener
    listener, count = _listener, len(items) if total is None else total  # type: ignore[arg-type]
    if listener is None:
        yield from items
        return
    _listener = None  # loops inside this one
    try:
        listener(what, 0, count)
        for done, item in enumerate(items, 1):
            yield item
            listener(what, done, count)
    finally:
        _listener = listener


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Let a listener hear of every tracked loop until the end of the block."""
    global _listener
    former, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = former
