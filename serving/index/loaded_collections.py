"""Collections that an index has loaded into the memory of Milvus, and their release.

A server keeps what was loaded until somebody releases it, for all clients alike. So an index releases what it has
loaded, but for the champion's, which the next command would load again; and a read whose collection another client has
released meanwhile loads it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from serving.index.milvus_connection import quiet

if TYPE_CHECKING:
    from pymilvus import MilvusClient

NOT_LOADED = 101
"""Milvus's code of the error."""
Answer = TypeVar("Answer")


class LoadedCollections:
    """Names of the collections that one index has loaded."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def add(self, name: str) -> None:
        """Count a collection as loaded by this index."""
        self._names.add(name)

    def load(self, client: MilvusClient, name: str) -> None:
        """Load a collection, unless it is."""
        if client.get_load_state(name)["state"].name != "Loaded":
            self.add(name)
            client.load_collection(name)

    def read(self, client: MilvusClient, name: str, call: Callable[[], Answer]) -> Answer:
        """Call a read, again if another client has released the collection since.

        Args:
            client: client of Milvus.
            name: the collection.
            call: the read.
        """
        from pymilvus.exceptions import MilvusException

        try:
            with quiet("pymilvus.decorators"):
                return call()
        except MilvusException as error:
            if error.code != NOT_LOADED:
                raise
        self.load(client, name)
        return call()

    def release(self, client: MilvusClient) -> None:
        """Release the loaded collections that no alias points at."""
        for name in sorted(self._names):
            if client.has_collection(name) and not client.list_aliases(name)["aliases"]:
                client.release_collection(name)
        self._names.clear()
