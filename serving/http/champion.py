"""Reads of the registry that never stop the event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Generic, TypeVar

from serving.registry.sqlite import SqliteRegistry, open_registry
from serving.settings import Settings

T = TypeVar("T")
LOOK_SECONDS = 5.0
"""Longest wait for a look."""
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""Of MLflow's client, which otherwise tries for minutes."""


class RegistryAwayError(RuntimeError):
    """The registry does not answer."""


class RegistryReader(Generic[T]):
    """Reader of something in the registry, one look at a time.

    Args:
        read: reads it; called in a thread.
        seconds: longest wait for a look.
    """

    def __init__(self, read: Callable[[], T], *, seconds: float = LOOK_SECONDS) -> None:
        self._read, self._seconds = read, seconds
        self._look: asyncio.Future[T] | None = None

    async def look(self) -> T:
        """Read it.

        RegistryAwayError if it cannot be read in time; the look goes on, and the next call waits for it.
        """
        self._look = self._look or asyncio.ensure_future(asyncio.to_thread(self._read))
        done, _ = await asyncio.wait({self._look}, timeout=self._seconds)
        if not done:
            raise RegistryAwayError(f"the registry gave no answer within {self._seconds:g} s")
        look, self._look = self._look, None
        try:
            return look.result()
        except Exception as error:
            raise RegistryAwayError(f"the registry cannot be read: {error}") from error


ChampionReader = RegistryReader[int | None]
"""Reader of the champion's version; None if there is none."""


def champion_read(settings: Settings, dataset: str) -> Callable[[], int | None]:
    """Read of the champion. Imports MLflow at once where only MLflow can read the registry."""
    os.environ.update({name: value for name, value in PATIENCE.items() if name not in os.environ})
    registry = open_registry(settings, dataset)
    if not isinstance(registry, SqliteRegistry):
        import mlflow  # noqa: F401  in the first look it would stop the event loop for seconds
    return registry.champion
