"""Memory that a step has freed, given back to the system before the next step."""

from __future__ import annotations

import ctypes
import gc
import sys

import dagster as dg


def give_back() -> None:
    """Give freed memory back to the system, where its allocator keeps it and can."""
    gc.collect()
    if sys.platform == "linux":
        # glibc keeps what was freed in small pieces; musl has no such call and keeps less.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)


@dg.success_hook
def give_back_memory(context: dg.HookContext) -> None:
    """Give back the memory of each step of a job before the next begins."""
    give_back()
