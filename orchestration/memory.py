"""Memory that a step has freed, given back to the system before the next step."""

from __future__ import annotations

import ctypes
import gc
import sys

import dagster as dg
import psutil

WORTH_BYTES = 100_000_000
"""Growth of the process since memory was last given back below which a step is left
alone: a collection looks at every object of every loaded package, which takes a second."""


class Memory:
    """Memory of this process as it was when it was last given back."""

    def __init__(self) -> None:
        self.least = 0
        """Resident bytes then, or the least since."""

    def give_back(self) -> bool:
        """Give freed memory back to the system, if the process has grown; returns whether it did."""
        resident = _resident()
        if resident < self.least + WORTH_BYTES:
            self.least = min(self.least, resident)
            return False
        _give_back()
        self.least = _resident()
        return True


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


def _give_back() -> None:
    """Give freed memory back where the allocator keeps it and can."""
    gc.collect()
    if sys.platform == "linux":
        # glibc keeps what was freed in small pieces; musl has no such call and keeps less.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)


_memory = Memory()


@dg.success_hook
def give_back_memory(context: dg.HookContext) -> None:
    """Give back the memory of each step of a job before the next begins."""
    _memory.give_back()
