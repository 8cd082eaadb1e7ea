"""Memory of the processes of a service while it works."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Event, Thread

import numpy as np
import psutil

WARM_SECONDS = 30.0
"""Age of a process from which on its memory counts: before, it loads and warms up."""


class Memory(Thread):
    """Samples of the resident memory, from a thread of its own.

    Args:
        processes: processes by their part, at a time.
        every: seconds between two samples.
        warm: age of a process from which on it counts.
    """

    def __init__(
        self,
        processes: Callable[[], Mapping[str, Sequence[psutil.Process]]],
        *,
        every: float = 1.0,
        warm: float = WARM_SECONDS,
    ) -> None:
        super().__init__(daemon=True)
        self._processes, self._every, self._warm, self._ending = processes, every, warm, Event()
        self.samples: dict[str, list[tuple[int, float, float]]] = defaultdict(list)
        """(process id, seconds, megabytes) by part."""

    def run(self) -> None:
        while not self._ending.wait(self._every):
            with suppress(psutil.NoSuchProcess):  # killed a moment ago
                self._sample()

    def _sample(self) -> None:
        for part, processes in self._processes().items():
            for each in processes:
                if time.time() - each.create_time() > self._warm:
                    self.samples[part].append((each.pid, time.monotonic(), each.memory_info().rss / 1e6))

    def stop(self) -> None:
        """End, after the last sample."""
        self._ending.set()
        self.join()

    def rows(self) -> list[str]:
        """A row of Markdown for each part: megabytes at first and at last, and megabytes more in an hour."""
        return [
            f"| {part} | {found[0][2]:.0f} | {found[-1][2]:.0f} | {3600 * slope(found):+.0f} |"
            for part, found in self.samples.items()
            if found
        ]


def slope(samples: Sequence[tuple[int, float, float]]) -> float:
    """Megabytes more in a second, by least squares over the lives of all processes: each has a level of its own."""
    pids, seconds, megabytes = (np.array(column, float) for column in zip(*samples, strict=True))
    for pid in np.unique(pids):
        own = pids == pid
        seconds[own] -= seconds[own].mean()
        megabytes[own] -= megabytes[own].mean()
    return float(seconds @ megabytes / max(seconds @ seconds, 1e-9))
