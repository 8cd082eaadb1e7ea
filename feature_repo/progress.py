"""Progress of long loops, reported to a listener if there is one.

One loop is reported at a time, the outermost: it may call functions that track loops of
their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
Listener = Callable[[str, int, int], None]
"""Receiver of the counted noun, the number done, and the total."""

_listener: Listener | None = None


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield items and tell the listener how many are done.

    Args:
        items: anything to loop over.
        what: noun for the items, in the plural: `batches`.
        total: number of items; None for `len(items)`.
    """
    global _listener
    listener, count = _listener, len(items) if total is None else total  # type: ignore[arg-type]
    if listener is None:
        yield from items
        return
    # Loops inside this one are not reported.
    _listener = None
    try:
        listener(what, 0, count)
        for done, item in enumerate(items, 1):
            yield item
            listener(what, done, count)
    finally:
        _listener = listener


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Report every tracked loop to a listener until the end of the block."""
    global _listener
    former, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = former
