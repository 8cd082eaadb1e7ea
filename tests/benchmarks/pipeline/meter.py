"""Seconds and peak memory of each step of a run in this process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

PROC = Path("/proc/self")
SECONDS_BETWEEN = 0.05


@dataclass(kw_only=True)
class Step:
    """One step of a run."""

    start: float
    seconds: float = 0.0
    cpu_start: float = 0.0
    cpu_seconds: float = 0.0
    peak: int = 0
    """Largest resident memory of this process and its children, in bytes."""


class Meter(logging.Handler):
    """Log handler that hears of Dagster's steps and measures them.

    The kernel tells the peak of this process; a thread samples it with its children, twenty
    times a second, because theirs is told only together with pages that were freed.

    Args:
        on_step: called when a step is done, so that a run that breaks off leaves its figures.
    """

    def __init__(self, on_step: Callable[[], None]) -> None:
        super().__init__()
        self._on_step = on_step
        self.steps: dict[str, Step] = {}
        self._current: Step | None = None
        threading.Thread(target=self._sample, daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Start or end a step."""
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event and event.event_type_value == "STEP_START":
            with suppress(OSError):
                (PROC / "clear_refs").write_text("5")  # VmHWM starts again from here
            step = Step(start=time.monotonic(), cpu_start=time.process_time())
            self.steps[str(meta["step_key"])] = self._current = step
        elif event and event.event_type_value == "STEP_SUCCESS":
            step = self.steps[str(meta["step_key"])]
            step.seconds = time.monotonic() - step.start
            step.cpu_seconds = time.process_time() - step.cpu_start
            step.peak = max(step.peak, peak_of_process())
            self._current = None
            self._on_step()

    def _sample(self) -> None:
        process = psutil.Process()
        while True:
            step = self._current
            if step is not None:
                step.peak = max(step.peak, tree_bytes(process))
            time.sleep(SECONDS_BETWEEN)


def tree_bytes(process: psutil.Process) -> int:
    """Resident memory of a process and its children."""
    total = 0
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.Error):  # a child may end meanwhile
            total += each.memory_info().rss
    return total


def peak_of_process() -> int:
    """Largest resident memory of this process since `clear_refs`; 0 where the kernel does not tell."""
    with suppress(OSError):
        for line in (PROC / "status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return 0
