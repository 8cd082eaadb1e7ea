"""The front's end of the consumer of events: its process, what it tells, and its lag."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from feature_repo.events.log import EventLogError
from serving.http.backoff import Backoff
from serving.http.engine_process import end_process, launch
from serving.http.event_intake import EventIntake
from serving.http.metrics import Metrics

logger = logging.getLogger(__name__)
MEASURE_SECONDS = 1.0
"""Time between two looks at the lag."""
LOOK_SECONDS = 0.01
"""Time between two looks whether an event is online."""
SOUND_SECONDS = 60.0
"""Life of a consumer after which its end is no failure in a row."""
LATE_SECONDS = 10.0
"""Wait of an event from which on the lag is a problem."""
ONLY = 0
"""Key of the backoff: there is one consumer."""


class ConsumerWatch:
    """Watch over a consumer: started, started again when it ends, and measured.

    Args:
        command: command of the process, from the program on.
        log: file for what it writes on stderr.
        events: intake of its log.
        metrics: told the lag.
        echo: told in a line what goes wrong.
        backoff: pauses before it is started again.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        events: EventIntake,
        metrics: Metrics,
        echo: Callable[[str], None] = lambda _: None,
        backoff: Backoff | None = None,
    ) -> None:
        self._command, self._file, self._events, self._metrics, self._echo = command, log, events, metrics, echo
        self._backoff = backoff or Backoff()
        self._told: str | None = None
        self._late: str | None = None
        self._position: int | None = None
        # Without a position there is no lag: 0 would look as if all were well.
        metrics.consumer_stuck.set_function(lambda: float(self._position is None or self.problem is not None))

    @property
    def problem(self) -> str | None:
        """Reason why new events do not reach the answers; None if they do."""
        return self._told or self._late

    async def reach(self, sequence: int, seconds: float) -> bool:
        """Wait until the online features have an event; whether they do.

        Args:
            sequence: number of the event in the log.
            seconds: longest wait.
        """
        clock = asyncio.get_running_loop().time
        end = clock() + seconds
        while self._position is None or self._position < sequence:
            if clock() > end:
                return False
            await asyncio.sleep(LOOK_SECONDS)
        return True

    async def run(self) -> None:
        """Keep the consumer running until cancelled; end it then."""
        measuring = asyncio.create_task(self._measure())
        try:
            while True:
                await asyncio.sleep(await self._live())
        finally:
            measuring.cancel()
            with suppress(asyncio.CancelledError):
                await measuring

    async def _live(self) -> float:
        """Follow one process to its end, and return the seconds until the next."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            end = f"ended by itself (status {await self._follow()})"
        except OSError as error:
            end = f"does not start ({error.strerror})"
        if clock() - started > SOUND_SECONDS:
            self._backoff.forget(ONLY)
        pause = self._backoff.failed(ONLY, clock())
        self._metrics.consumer_deaths.inc()
        self._note(f"the consumer of events {end}; the next start is in {pause:g} s")
        return pause

    async def _follow(self) -> int:
        """Start a process, take its lines, and return its exit status."""
        process = await launch(self._command, self._file, own_session=True)
        assert process.stdout is not None
        try:
            while line := await process.stdout.readline():
                self._take(line)
            return await process.wait()
        finally:
            await end_process(process)

    def _take(self, line: bytes) -> None:
        """Take a line of the consumer."""
        try:
            told = json.loads(line)
        except ValueError:
            logger.warning("the consumer wrote %r", line[:200])
            return
        if "position" in told:
            self._position = told["position"]
        if "note" in told:
            logger.warning(told["note"])
        self._note(told.get("problem"))

    async def _measure(self) -> None:
        while True:
            if self._position is not None:
                try:
                    events, seconds = await self._events.behind(self._position)
                except (EventLogError, OSError) as error:
                    self._late = "the event log cannot be read; the log of the service says why"
                    logger.warning(str(error))
                else:
                    self._metrics.lag_events.set(events)
                    self._metrics.lag_seconds.set(seconds)
                    late = f"{events:,} events are not online yet, the first since {seconds:.0f} s"
                    self._late = late if seconds > LATE_SECONDS else None
            await asyncio.sleep(MEASURE_SECONDS)

    def _note(self, problem: str | None) -> None:
        """Note what is wrong, or that nothing is; say it when it is new."""
        if problem and problem != self._told:
            self._echo(problem)
            logger.warning(problem)
        self._told = problem


def consumer_command(dataset: str) -> tuple[str, ...]:
    """Command that starts the consumer of a dataset."""
    return (sys.executable, "-m", "serving.consumer", dataset)
