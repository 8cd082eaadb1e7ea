"""A second engine, for people who look at another version than the one that serves.

It starts with the first question and ends when nobody has asked it for a while. There is
at most one, so that a look never takes more memory than one further release.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from serving.http.batcher import Answered, Question
from serving.http.engine_process import EngineGoneError, EngineProcess, EngineRefusedError
from serving.http.errors import LOADING_SECONDS, ApiError
from serving.http.lane import Lane
from serving.service_settings import ServiceSettings

logger = logging.getLogger(__name__)


class SecondEngine:
    """Engine of any version, one at a time. Make it in a running event loop, or before.

    Args:
        start: starts the engine of a version and waits until it is ready.
        settings: limits and times of the service.
    """

    def __init__(self, start: Callable[[int], Awaitable[EngineProcess]], settings: ServiceSettings) -> None:
        self._start, self._settings = start, settings
        self._one_at_a_time = asyncio.Lock()
        self._lane: Lane | None = None
        self._idle: asyncio.Task[None] | None = None

    @property
    def version(self) -> int | None:
        """Version that is loaded; None while there is no engine."""
        return self._lane.version if self._lane else None

    async def answer(self, version: int, questions: Sequence[Question]) -> Answered:
        """Answer questions by a version, which is loaded if need be.

        Args:
            version: the version.
            questions: the questions.

        Raises:
            ApiError: the version cannot be loaded, or its engine has ended.
            OverloadedError: the answer takes too long.
        """
        async with self._one_at_a_time:
            lane = await self._of(version)
            try:
                return await lane.batcher.answer(questions)
            except EngineGoneError as error:
                await self._end()
                gone = f"the engine of version {version} has ended: ask again"
                raise ApiError(503, gone, retry_after=LOADING_SECONDS) from error
            finally:
                self._wait_for_idleness()

    async def close(self) -> None:
        """End the engine, if there is one."""
        async with self._one_at_a_time:
            await self._end()

    async def _of(self, version: int) -> Lane:
        """Way to the engine of a version. ApiError if it does not start."""
        if self._lane and self._lane.version == version:
            return self._lane
        await self._end()
        logger.info("the second engine loads version %d", version)
        try:
            engine = await self._start(version)
        except EngineRefusedError as error:
            raise ApiError(422, f"version {version} cannot be loaded: {error}") from error
        except EngineGoneError as error:
            raise ApiError(503, f"version {version} cannot be loaded: {error}", retry_after=LOADING_SECONDS) from error
        self._lane = Lane(engine, self._settings, lambda _: None)
        return self._lane

    def _wait_for_idleness(self) -> None:
        if self._idle:
            self._idle.cancel()
        self._idle = asyncio.create_task(self._end_idle())

    async def _end_idle(self) -> None:
        await asyncio.sleep(self._settings.second_engine_seconds)
        async with self._one_at_a_time:
            self._idle = None
            logger.info("the second engine ends: nobody asks it")
            await self._end()

    async def _end(self) -> None:
        if self._idle:
            self._idle.cancel()
        lane, self._lane, self._idle = self._lane, None, None
        if lane:
            await lane.close()
