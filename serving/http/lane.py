"""An engine with its queue: what a swap replaces as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from serving.http.batcher import Batcher
from serving.http.engine_process import EngineProcess
from serving.service_settings import ServiceSettings


class Lane:
    """The way of a request to one engine. Make it in a running event loop.

    Args:
        engine: the engine.
        settings: limits of the service.
        observe: told the number of questions of each batch.
    """

    def __init__(self, engine: EngineProcess, settings: ServiceSettings, observe: Callable[[int], None]) -> None:
        self.engine = engine
        self.batcher = Batcher(
            engine.ask,
            batch_users=settings.batch_users,
            queue_users=settings.queue_users,
            wait_seconds=settings.wait_seconds,
            observe=observe,
        )

    @property
    def version(self) -> int:
        """Version of its release."""
        return self.engine.version

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts on its release."""
        return self.engine.facts

    async def close(self) -> None:
        """Answer what has come, then end the engine."""
        await self.batcher.close()
        await self.engine.end()
