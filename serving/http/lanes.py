"""Engines of further versions beside the champion's: of variants and shadows, one process each.

They are started one after the other, and only once the champion serves. A version that an engine refuses, for a changed
file or a verdict that did not pass, changes nothing else, and the reason is seen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

from serving.http.backoff import Backoff
from serving.http.engine_process import EngineGoneError, EngineProcess, EngineRefusedError
from serving.http.lane import Lane
from serving.http.metrics import Metrics
from serving.service_settings import ServiceSettings

logger = logging.getLogger(__name__)
STARTING = "its engine is being started"
SOUND_SECONDS = 60.0
"""Life of an engine after which its end is no failure in a row."""


class Lanes:
    """Lanes to the engines of some versions.

    Args:
        start: starts the engine of a version and waits until it is ready.
        settings: limits and times.
        metrics: metrics of the service.
        echo: told in a line what is wrong.
    """

    def __init__(
        self,
        start: Callable[[int], Awaitable[EngineProcess]],
        settings: ServiceSettings,
        metrics: Metrics,
        echo: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._start, self._settings, self._metrics, self._echo = start, settings, metrics, echo
        self._wanted: dict[str, tuple[int, ...]] = {}
        self._lanes: dict[int, Lane] = {}
        self._backoff = Backoff()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.problems: dict[int, str] = {}
        """Reason by version that is wanted and has no engine, once there is one."""

    @property
    def versions(self) -> tuple[int, ...]:
        """Versions that have an engine."""
        return tuple(sorted(self._lanes))

    def lane(self, version: int) -> Lane | None:
        """Lane to the engine of a version; None while there is none."""
        return self._lanes.get(version)

    def reason(self, version: int) -> str:
        """Reason why a version has no engine."""
        return self.problems.get(version, STARTING)

    def want(self, by: str, versions: Iterable[int]) -> None:
        """Say which versions somebody wants engines of, instead of those wanted before.

        Args:
            by: who wants them.
            versions: the versions, the most important first.
        """
        wanted = tuple(versions)
        if wanted != self._wanted.get(by, ()):
            self._wanted[by] = wanted
            self._wake.set()

    async def run(self) -> None:
        """Keep the engines that are wanted until cancelled."""
        while True:
            self._wake.clear()
            await self._follow()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._settings.poll_seconds)

    async def close(self) -> None:
        """Let every engine finish what it has, and end it."""
        self._wanted.clear()
        self._end_unwanted(())
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _follow(self) -> None:
        """Bring the engines to what is wanted now."""
        wanted = self._allowed()
        self._end_unwanted(wanted)
        for version in wanted:
            due = self._backoff.is_due(version, asyncio.get_running_loop().time())
            if version not in self._lanes and due:
                await self._begin(version)

    def _allowed(self) -> list[int]:
        """Wanted versions that may have an engine; the others are a problem."""
        every = list(dict.fromkeys(version for versions in self._wanted.values() for version in versions))
        most = self._settings.variant_engines
        for version in set(self.problems) - set(every):
            del self.problems[version]
        for version in every[most:]:
            self._note(version, f"{len(every)} engines are wanted beside the champion's, at most {most} may be")
        return every[:most]

    def _end_unwanted(self, wanted: Iterable[int]) -> None:
        for version in set(self._lanes) - set(wanted):
            self._keep(self._lanes.pop(version).close())
        self._metrics.variant_engines.set(len(self._lanes))

    async def _begin(self, version: int) -> None:
        """Start the engine of a version."""
        logger.info("version %d is loaded beside the champion", version)
        try:
            engine = await self._start(version)
        except (EngineRefusedError, EngineGoneError) as error:
            self._backoff.failed(version, asyncio.get_running_loop().time())
            self._metrics.refusals.inc()
            self._note(version, f"it is refused: {error}")
            return
        if version not in self._allowed():
            self._keep(engine.end())  # nobody wants it any more
            return
        lane = self._lanes[version] = Lane(engine, self._settings, self._metrics.batch_users.observe)
        self.problems.pop(version, None)
        self._metrics.variant_engines.set(len(self._lanes))
        self._keep(self._watch(lane))
        self._echo(f"version {version} serves beside the champion")

    async def _watch(self, lane: Lane) -> None:
        """Wait for the end of an engine; if it was wanted, start it again."""
        clock = asyncio.get_running_loop().time
        started = clock()
        status = await lane.engine.ended()
        if self._lanes.get(lane.version) is not lane:
            return
        del self._lanes[lane.version]
        if clock() - started > SOUND_SECONDS:
            self._backoff.forget(lane.version)
        self._backoff.failed(lane.version, clock())
        self._metrics.deaths.inc()
        self._metrics.variant_engines.set(len(self._lanes))
        self._note(lane.version, f"its engine ended by itself (status {status})")
        self._wake.set()
        await lane.close()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside this, and keep it from being collected."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _note(self, version: int, problem: str) -> None:
        """Note why a version has no engine; say it when it is new."""
        if problem != self.problems.get(version):
            self.problems[version] = problem
            self._echo(f"version {version} does not serve beside the champion: {problem}")
            logger.warning("version %d does not serve beside the champion: %s", version, problem)
