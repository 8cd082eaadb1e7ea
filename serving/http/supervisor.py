"""The release that serves: it follows the champion, one engine after the other.

A new engine loads beside the old one. When it is ready, requests go to it from one moment on, and the old one finishes
what it has. A release that is refused changes nothing. An engine that ends by itself is started again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from serving.http.backoff import Backoff
from serving.http.champion import ChampionReader, RegistryAwayError
from serving.http.engine_process import EngineGoneError, EngineProcess, EngineRefusedError
from serving.http.lane import Lane
from serving.http.metrics import Metrics
from serving.service_settings import ServiceSettings

logger = logging.getLogger(__name__)
LOADING = "no release is loaded yet"
MISSING = "there is no champion: `gatehouse run` or `gatehouse promote` makes one"
SOUND_SECONDS = 60.0
"""Life of an engine after which its end is no failure in a row."""


class Supervisor:
    """Engines of one dataset.

    Args:
        champion: reader of the champion.
        start: starts the engine of a version and waits until it is ready.
        settings: limits and times.
        metrics: metrics of the service.
        echo: told in a line what begins to serve, and what does not.
    """

    def __init__(
        self,
        champion: ChampionReader,
        start: Callable[[int], Awaitable[EngineProcess]],
        settings: ServiceSettings,
        metrics: Metrics,
        echo: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._reader, self._start, self._settings, self._metrics, self._echo = champion, start, settings, metrics, echo
        self._backoff = Backoff()
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.lane: Lane | None = None
        """The way to the engine that serves; None while there is none."""
        self.facts: Mapping[str, Any] | None = None
        """Facts on the release that serves, or served last."""
        self.champion: int | None = None
        """Version of the champion at the last look."""
        self.problems: dict[str, str] = {"engine": LOADING}
        """What is wrong now, by its kind: registry, release, engine."""

    async def run(self) -> None:
        """Follow the champion until cancelled."""
        while True:
            await self._look()
            await self._follow()
            self._wake.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._settings.poll_seconds)

    async def close(self) -> None:
        """Let every engine finish what it has, and end it."""
        if self.lane:
            self._close(self.lane)
            self.lane = None
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _look(self) -> None:
        try:
            self.champion = await self._reader.look()
        except RegistryAwayError as error:
            self._metrics.registry_failures.inc()
            self._note("registry", f"{error}; the loaded release goes on" if self.lane else str(error))
        else:
            self._note("registry", None if self.champion else MISSING)
            self._metrics.champion.set(self.champion or 0)

    async def _follow(self) -> None:
        """Start the engine that is wanted, unless it runs or failed a moment ago."""
        served = self.facts["version"] if self.facts else None
        # Without an engine, the release that served last is better than none.
        wanted = [self.champion, None if self.lane else served]
        if self.lane and self.lane.version == self.champion:
            self._note("release", None)
            return
        now = asyncio.get_running_loop().time()
        for version in dict.fromkeys(filter(None, wanted)):
            if self._backoff.is_due(version, now) and await self._begin(version):
                return

    async def _begin(self, version: int) -> bool:
        """Load a version and let it serve; whether it does."""
        logger.info("version %d is loaded", version)
        try:
            engine = await self._start(version)
        except (EngineRefusedError, EngineGoneError) as error:
            pause = self._backoff.failed(version, asyncio.get_running_loop().time())
            self._metrics.refusals.inc()
            goes_on = f"; version {self.lane.version} goes on" if self.lane else ""
            self._note("release", f"version {version} is refused: {error}{goes_on}")
            logger.info("the next try of version %d is in %g s", version, pause)
            return False
        await self._look()
        if self.lane and self.champion not in (None, version):
            self._keep(engine.end())  # the champion has moved on meanwhile
        else:
            self._switch(engine)
        return True

    def _switch(self, engine: EngineProcess) -> None:
        """Send all further requests to a new engine, and let the old one finish its own."""
        former, self.lane = self.lane, Lane(engine, self._settings, self._metrics.batch_users.observe)
        self.facts = engine.facts
        self._note("engine", None)
        if engine.version == self.champion:
            self._note("release", None)
        self._metrics.swaps.inc()
        self._metrics.version.set(engine.version)
        self._metrics.ready.set(1)
        self._keep(self._watch(self.lane))
        self._echo(f"version {engine.version} serves" + (f", after version {former.version}" if former else ""))
        logger.info("version %d serves", engine.version, extra={"version": engine.version, "engine": engine.pid})
        if former:
            self._close(former)

    async def _watch(self, lane: Lane) -> None:
        """Wait for the end of an engine; if it served, start it again."""
        clock = asyncio.get_running_loop().time
        started = clock()
        status = await lane.engine.ended()
        if self.lane is not lane:
            return
        if clock() - started > SOUND_SECONDS:
            self._backoff.forget(lane.version)
        self.lane = None
        self._close(lane)
        self._metrics.deaths.inc()
        self._metrics.ready.set(0)
        self._backoff.failed(lane.version, clock())
        self._note("engine", f"the engine of version {lane.version} ended by itself (status {status})")
        self._wake.set()

    def _close(self, lane: Lane) -> None:
        self._keep(lane.close())

    def _keep(self, work: Any) -> None:
        """Run something beside this, and keep it from being collected."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _note(self, kind: str, problem: str | None) -> None:
        """Note what is wrong, or that nothing is; say it when it is new."""
        if problem == self.problems.get(kind):
            return
        if problem is None:
            del self.problems[kind]
            return
        self.problems[kind] = problem
        self._echo(problem)
        logger.warning(problem)
