"""The online store with a time limit, and what stands in for it while it is away.

A store that does not answer must delay one batch at most. So each read has a limit, and after a failure no read is
tried for a while.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import numpy as np

from feature_repo.errors import InputError
from feature_repo.schema import Entity
from feature_repo.store.online_rows import UNKNOWN_TIME, OnlineRows
from serving.engine.stages import Stages
from serving.retriever import OnlineFeatures

logger = logging.getLogger(__name__)
FEATURES = "features"
"""Stage of the reads."""
LONGEST_PAUSE = 8.0
"""Most seconds without a try after a failure."""
OPEN_SECONDS = 60.0
"""Limit for the first read, which opens the store."""


class StoreAwayError(RuntimeError):
    """The online store does not answer."""


class GuardedStore:
    """Online features read in a thread of their own, with a time limit.

    Args:
        make: makes the store; called in that thread, since a connection may belong to a thread.
        seconds: limit of a read.
        stages: told the time of the reads.
        clock: seconds from any start.
    """

    def __init__(
        self,
        make: Callable[[], OnlineFeatures],
        seconds: float,
        stages: Stages,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make, self._seconds, self._stages, self._clock = make, seconds, stages, clock
        self._pause, self._until, self._reason = 0.0, 0.0, ""
        self._opened = False
        self._open()

    def known(self, entity: Entity) -> list[str]:
        return self._read("known", entity, limit=OPEN_SECONDS)

    def read_rows(self, entity: Entity, ids: Sequence[str]) -> OnlineRows:
        return self._read("read_rows", entity, ids)

    def seen_rows(self, ids: Sequence[str]) -> list[list[str]]:
        return self._read("seen_rows", ids)

    def withdrawn_items(self) -> list[str]:
        return self._read("withdrawn_items", limit=OPEN_SECONDS)

    def loaded_until(self, entity: Entity) -> datetime | None:
        return self._read("loaded_until", entity)

    def _open(self) -> None:
        """Start a thread; the former one, if it hangs in a read, is left to itself."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="online-store")
        self._store: OnlineFeatures | None = None

    def _call(self, name: str, *arguments: Any) -> Any:
        if self._store is None:
            self._store = self._make()
        return getattr(self._store, name)(*arguments)

    def _read(self, name: str, *arguments: Any, limit: float | None = None) -> Any:
        """Read, within the limit.

        Raises:
            StoreAwayError: no answer, an error of the store, or the pause after one.
            InputError: what is asked for was never loaded.
        """
        if self._clock() < self._until:
            raise StoreAwayError(self._reason)
        seconds = limit or (self._seconds if self._opened else OPEN_SECONDS)
        with self._stages.stage(FEATURES):
            future = self._pool.submit(self._call, name, *arguments)
            try:
                found = future.result(seconds)
            except InputError:
                raise
            except TimeoutError as error:
                self._pool.shutdown(wait=False, cancel_futures=True)
                self._open()
                raise self._away(f"no answer within {seconds:g} s") from error
            except Exception as error:
                self._store = None  # made again at the next try
                raise self._away(type(error).__name__) from error
        self._pause, self._opened = 0.0, True
        return found

    def _away(self, problem: str) -> StoreAwayError:
        self._pause = min(LONGEST_PAUSE, 2 * self._pause or 0.5)
        self._until = self._clock() + self._pause
        self._reason = f"the online store does not answer ({problem})"
        logger.warning("%s; the next try is in %s s", self._reason, self._pause, exc_info=True)
        return StoreAwayError(self._reason)


class NoFeatures:
    """Online features of nobody, for the answers while the store is away.

    Args:
        withdrawn: items that are not answered.
    """

    def __init__(self, withdrawn: Sequence[str]) -> None:
        self._withdrawn = list(withdrawn)

    def known(self, entity: Entity) -> list[str]:
        return []

    def read_rows(self, entity: Entity, ids: Sequence[str]) -> OnlineRows:
        return OnlineRows(ids=list(ids), times_B=np.full(len(ids), UNKNOWN_TIME), columns={})

    def seen_rows(self, ids: Sequence[str]) -> list[list[str]]:
        return [[] for _ in ids]

    def withdrawn_items(self) -> list[str]:
        return self._withdrawn

    def loaded_until(self, entity: Entity) -> datetime | None:
        return None
