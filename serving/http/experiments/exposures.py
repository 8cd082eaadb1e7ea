"""Way of exposures to the disk: bounded, in one thread, and no answer waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from serving.experiments.exposure import Exposure
from serving.experiments.exposure_log import ExposureLog, ExposureLogError
from serving.http.metrics import Metrics

logger = logging.getLogger(__name__)
MOST_ITEMS = 500_000
"""Items of the exposures that may wait for the disk; further exposures are lost, and counted."""
RETRY_SECONDS = 1.0


class ExposureWriter:
    """Writer of the log of exposures. The log is opened by the first exposure.

    Args:
        open_log: opens the log; called in a thread.
        metrics: told the outcome of each exposure.
        most_items: items that may wait.
    """

    def __init__(self, open_log: Callable[[], ExposureLog], metrics: Metrics, *, most_items: int = MOST_ITEMS) -> None:
        self._open, self._metrics, self._most = open_log, metrics, most_items
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="exposures")
        self._log: ExposureLog | None = None
        self._waiting: deque[Exposure] = deque()
        self._items = 0
        self._arrived = asyncio.Event()
        self.problem: str | None = None
        """Reason why exposures cannot be kept now."""

    def put(self, exposure: Exposure) -> None:
        """Let an exposure be kept soon."""
        size = 1 + len(exposure.items)
        if self._items + size > self._most:
            self._metrics.exposures.labels("lost").inc()
            return
        self._items += size
        self._waiting.append(exposure)
        self._arrived.set()

    async def run(self) -> None:
        """Keep what arrives until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch = list(self._waiting)  # it stays there until it is on the disk
            try:
                new = await loop.run_in_executor(self._thread, self._write, batch)
            except (ExposureLogError, OSError) as error:
                self._note(error)
                self._arrived.set()
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.problem = None
                self._written(batch, new)

    def close(self) -> None:
        """Keep what still waits, and close the log."""
        self._thread.shutdown()  # what it has just written may be written again: each exposure counts once
        try:
            if self._waiting:
                self._written(list(self._waiting), self._write(self._waiting))
        except (ExposureLogError, OSError):
            self._metrics.exposures.labels("lost").inc(len(self._waiting))
            logger.exception("%d exposures are lost", len(self._waiting))
        if self._log:
            self._log.close()

    def _write(self, exposures: Sequence[Exposure]) -> int:
        self._log = self._log or self._open()
        return self._log.keep(exposures)

    def _written(self, batch: Sequence[Exposure], new: int) -> None:
        self._metrics.exposures.labels("kept").inc(new)
        self._metrics.exposures.labels("known").inc(len(batch) - new)
        for exposure in batch:
            self._waiting.popleft()
            self._items -= 1 + len(exposure.items)

    def _note(self, error: Exception) -> None:
        problem = f"exposures cannot be kept: {error}"
        if problem != self.problem:
            logger.error(problem)
        self.problem = problem
