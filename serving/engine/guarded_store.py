"""The online store with a time limit, and what stands in for it while it is away."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np

from feature_repo.schema import Entity
from feature_repo.store.online_rows import UNKNOWN_TIME, OnlineRows
from serving.engine.stages import Stages
from serving.guard import AwayError, Guard
from serving.retriever import OnlineFeatures

FEATURES = "features"
"""Stage of the reads."""
OPEN_SECONDS = 60.0
"""Limit for the first read, which opens the store."""


class GuardedStore:
    """Online features behind a guard.

    Args:
        make: makes the store; called in the guard's thread, since a connection may belong to a thread.
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
        self._make, self._stages = make, stages
        self._guard = Guard("the online store", seconds, errors=(OSError, sqlite3.Error), clock=clock)
        self._store: OnlineFeatures | None = None
        self._opened = self._opening = False

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Give reads inside this context the time that the first one has.

        A store on a server connects at its first read of rows, after that of its known ids.
        """
        self._opening = True
        try:
            yield
        finally:
            self._opening = False

    def known(self, entity: Entity) -> list[str]:
        return self._read("known", entity, limit=OPEN_SECONDS)

    def read_rows(self, entity: Entity, ids: Sequence[str]) -> OnlineRows:
        return self._read("read_rows", entity, ids)

    def seen_rows(self, ids: Sequence[str]) -> list[list[str]]:
        return self._read("seen_rows", ids)

    def withdrawn_items(self) -> list[str]:
        return self._read("withdrawn_items")

    def loaded_until(self, entity: Entity) -> datetime | None:
        return self._read("loaded_until", entity)

    def _call(self, name: str, *arguments: Any) -> Any:
        if self._store is None:
            self._store = self._make()
        return getattr(self._store, name)(*arguments)

    def _read(self, name: str, *arguments: Any, limit: float | None = None) -> Any:
        """Read, within the limit.

        Raises:
            AwayError: the store does not answer.
        """
        limit = limit or (None if self._opened and not self._opening else OPEN_SECONDS)
        with self._stages.stage(FEATURES):
            try:
                found = self._guard.call(partial(self._call, name, *arguments), seconds=limit)
            except AwayError:
                self._store = None  # made again at the next try
                raise
        self._opened = True
        return found


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


class NoRows(NoFeatures):
    """Online features of nobody, but what each user has seen: for popular items as the control of an experiment.

    Args:
        store: the store that knows what was seen.
        withdrawn: items that are not answered.
    """

    def __init__(self, store: GuardedStore, withdrawn: Sequence[str]) -> None:
        super().__init__(withdrawn)
        self._store = store

    def seen_rows(self, ids: Sequence[str]) -> list[list[str]]:
        return self._store.seen_rows(ids)
