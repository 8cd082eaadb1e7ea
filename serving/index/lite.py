"""The item index read straight from a Milvus Lite folder, without pymilvus and its server.

pymilvus reaches Milvus Lite through a server that it starts in the same process; importing
both takes longer than the answer to one user. Here the engine behind that server, which
locks the folder in the same way, is asked itself. Reading only.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.index.milvus_connection import IndexBusyError, busy
from serving.settings import Settings

if TYPE_CHECKING:
    from milvus_lite.db import MilvusLite

COUNT = "count(*)"
POLL_SECONDS = 0.1


def open_index(settings: Settings, fields: Fields) -> MilvusIndex:
    """Return the item index to read from: the engine where it is a folder of this home, else Milvus by its client."""
    uri = settings.milvus_uri
    return MilvusIndex(settings, fields) if "://" in uri or not Path(uri).exists() else LiteIndex(settings, fields)


class LiteIndex(MilvusIndex):
    """A `MilvusIndex` on a Milvus Lite folder, to read from."""

    _engine: LiteClient | None = None

    @property
    def _client(self) -> Any:
        if self._engine is None:
            self._engine = LiteClient(self.settings.milvus_folder, self.settings.lite_wait_seconds)
        return self._engine

    def close(self) -> None:
        """Give the folder back. Another use opens it again."""
        if self._engine is not None:
            self._opened.clear()
            self._engine.close()
            self._engine = None


class LiteClient:
    """The reading methods of `pymilvus.MilvusClient` that `MilvusIndex` calls, answered by the engine.

    Args:
        folder: The Milvus Lite folder.
        wait_seconds: How long to wait for another process to give it back.

    Raises:
        IndexBusyError: It did not.
    """

    def __init__(self, folder: Path, wait_seconds: float) -> None:
        self._db = _opened(folder, wait_seconds)

    def close(self) -> None:
        """Release the folder."""
        self._db.close()

    def has_collection(self, name: str) -> bool:
        """Tell whether there is a collection of this name."""
        return bool(self._db.has_collection(name))

    def describe_collection(self, name: str) -> dict[str, Any]:
        """Return properties and fields, as far as `MilvusIndex` reads them."""
        schema = self._db.get_collection(name).schema
        fields = [{"name": field.name, "params": {"dim": field.dim}} for field in schema.fields]
        return {"properties": dict(schema.properties), "fields": fields}

    def load_collection(self, name: str) -> None:
        """Load a collection for search."""
        self._db.get_collection(name).load()

    def query(self, name: str, filter: str, output_fields: Sequence[str], **_: Any) -> list[dict[str, Any]]:
        """Return the items that match, or their number.

        Args:
            name: Collection.
            filter: Expression of Milvus; empty for all items.
            output_fields: Fields of each item, or `count(*)` alone for the number.
        """
        collection = self._db.get_collection(name)
        if list(output_fields) == [COUNT]:
            return [{COUNT: collection.num_entities}]
        found: list[dict[str, Any]] = collection.query(filter, output_fields=list(output_fields))
        return found

    def search(
        self, name: str, data: np.ndarray, limit: int, filter: str, search_params: dict[str, Any], **_: Any
    ) -> list[list[dict[str, Any]]]:
        """Search by inner product: for each query its hits with id and distance.

        Args:
            name: Collection.
            data: Queries, float32 [Q, D].
            limit: Most hits of a query.
            filter: Expression of Milvus; empty for all items.
            search_params: metric_type, and params of the index.
        """
        collection = self._db.get_collection(name)
        found = collection.search(
            data.tolist(),
            top_k=limit,
            metric_type=search_params["metric_type"],
            expr=filter or None,
            output_fields=[],
            search_params=search_params["params"],
        )
        # The server sends float32: ties are those of float32 here too.
        key = collection.pk_field
        return [[{key: hit["id"], "distance": float(np.float32(hit["distance"]))} for hit in hits] for hits in found]


def _opened(folder: Path, wait_seconds: float) -> MilvusLite:
    """Open a folder. Another command may hold it for its time, so it is waited for."""
    from milvus_lite.db import MilvusLite
    from milvus_lite.exceptions import DataDirLockedError

    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return MilvusLite(str(folder))
        except DataDirLockedError as error:
            if time.monotonic() > deadline:
                raise IndexBusyError(busy(str(folder))) from error
        time.sleep(POLL_SECONDS)
