"""Direct reads of a Feast online store, each within a time limit.

Clients of Feast's stores have no time limit that holds for all of them, and some never
recover: one on Postgres keeps its broken connection. So a client reads in a thread of
its own, and one that failed or is late is thrown away with its thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from feature_repo.store.online_server import errors_of, reached

if TYPE_CHECKING:
    import feast
    from feast.infra.online_stores.online_store import OnlineStore
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.repo_config import RepoConfig

READ_SECONDS = 2.0
"""Longest read of one entity."""
ENTITIES_PER_SECOND = 250
"""Rate of the slowest read of many entities that is waited for."""


class FeastReader:
    """Reader of a Feast online store, whose clients serve one thread at a time.

    Args:
        config: Feast's configuration.
        online: configuration of the online store.
    """

    def __init__(self, config: RepoConfig, online: Mapping[str, Any]) -> None:
        self._config, self._online = config, online
        self._errors = errors_of(online)
        self._idle: deque[_Client] = deque()

    def read(self, views: Sequence[tuple[feast.FeatureView, list[str]]], keys: list[EntityKey]) -> list[Any]:
        """Rows of some views: for each view, time and values of each key.

        Args:
            views: views and their columns.
            keys: keys to read.

        Raises:
            OnlineStoreError: the store does not answer, or not in time.
        """

        def rows(store: OnlineStore) -> list[Any]:
            # A list of its own for each view: Feast's Redis adds a name to it.
            return [store.online_read(self._config, view, keys, list(names)) for view, names in views]

        seconds = READ_SECONDS + len(keys) / ENTITIES_PER_SECOND
        with reached(self._online):
            used = self._take()
            if used is None:
                return self._call(_Client(self._config), rows, seconds)
            try:
                return self._call(used, rows, seconds)
            except self._errors as error:
                if isinstance(error, TimeoutError):
                    raise
                # The server may have been started anew, and this connection be broken.
                return self._call(_Client(self._config), rows, seconds)

    def _take(self) -> _Client | None:
        """Client that is idle; None if there is none."""
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _call(self, client: _Client, job: Callable[[OnlineStore], list[Any]], seconds: float) -> list[Any]:
        """Result of a job; a client that fails is not used again.

        Args:
            client: client that does it.
            job: the job.
            seconds: time limit.
        """
        try:
            result = client.call(job, seconds)
        except BaseException:
            client.stop()
            raise
        self._idle.append(client)
        return result


class _Client:
    """Feast's client of an online store in a thread of its own.

    A daemon: a read that never ends does not keep the process alive.
    """

    def __init__(self, config: RepoConfig) -> None:
        self._jobs: SimpleQueue[tuple[Callable[[OnlineStore], Any], Future[Any]] | None] = SimpleQueue()
        Thread(target=self._work, args=(config,), daemon=True, name="online store").start()

    def call(self, job: Callable[[OnlineStore], Any], seconds: float) -> Any:
        """Result of a job, or its error; TimeoutError if it takes longer."""
        done: Future[Any] = Future()
        self._jobs.put((job, done))
        return done.result(seconds)

    def stop(self) -> None:
        """End the thread after the job at hand."""
        self._jobs.put(None)

    def _work(self, config: RepoConfig) -> None:
        from feast.infra.online_stores.helpers import get_online_store_from_config

        store = get_online_store_from_config(config.online_store)
        while entry := self._jobs.get():
            job, done = entry
            try:
                done.set_result(job(store))
            except Exception as error:  # noqa: BLE001 (the caller raises it)
                done.set_exception(error)
