"""Work that leaves the processor to whoever answers clients meanwhile."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Made = TypeVar("Made")
LOW = 5
"""Niceness of a thread that gets a third of what another gets: with less it starves where clients ask for all."""


def loaded(make: Callable[[], Made], *, is_beside: bool) -> Made:
    """Return what `make` returns, at low priority beside an engine that answers.

    Without one, clients wait for this one.
    """
    return at_low_priority(make) if is_beside else make()


def at_low_priority(make: Callable[[], Made]) -> Made:
    """Return what `make` returns, computed by a thread of low priority.

    A process cannot raise its priority again, but a thread of it can end. Threads that `make` starts keep the low
    one, so it must not start any that are needed later. Only Linux has a priority for each thread: elsewhere this is a
    plain call.
    """
    if sys.platform != "linux":
        return make()
    with ThreadPoolExecutor(1, "loading", initializer=lambda: os.setpriority(os.PRIO_PROCESS, 0, LOW)) as thread:
        return thread.submit(make).result()
