"""Reads of the item index in Milvus: its connection, searches, and stored items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID
from serving.index import filters
from serving.index.base import QUERIES_AT_ONCE, CollectionInfo, Fields, Hits, checked_queries
from serving.index.collection_schema import VECTOR
from serving.index.loaded_collections import LoadedCollections
from serving.index.milvus_connection import connect, quiet, release
from serving.index.stored_fields import StoredFields
from serving.settings import IndexParams, Settings

if TYPE_CHECKING:
    from pymilvus import MilvusClient

ROWS, FINGERPRINT = "gatehouse.rows", "gatehouse.fingerprint"
"""Properties of a collection: rows and content that its build was to store."""
IDS_AT_ONCE = 2_000
"""Vectors fetched in one call: the size of a message is bounded."""
MAX_K = 16_384
"""Largest number of results that Milvus returns for a query."""


class MilvusReader:
    """Reading part of `MilvusIndex`. It connects at first use."""

    def __init__(self, settings: Settings, fields: Fields) -> None:
        self.settings = settings
        self.fields = fields
        self._connection: tuple[MilvusClient, str] | None = None
        self._opened: dict[str, tuple[CollectionInfo, StoredFields]] = {}
        self._loaded = LoadedCollections()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release loaded collections, close the connection, and free a Lite folder.

        Another use opens them again.
        """
        if self._connection:
            client, uri = self._connection
            self._connection = None
            self._opened.clear()
            try:
                self._loaded.release(client)
            finally:
                client.close()
                release(uri)

    @property
    def _client(self) -> MilvusClient:
        if self._connection is None:
            self._connection = connect(self.settings)
        return self._connection[0]

    def info(self, name: str) -> CollectionInfo | None:
        described = self._described(name)
        return described and described[0]

    def _described(self, name: str) -> tuple[CollectionInfo, StoredFields] | None:
        """Description of a collection, and its fields in it."""
        if not self._client.has_collection(name):
            return None
        described = self._client.describe_collection(name)
        declared = described["properties"]
        dim = next(field["params"]["dim"] for field in described["fields"] if field["name"] == VECTOR)
        self._loaded.load(self._client, name)
        # Strong: a weaker count can miss rows that were inserted a moment ago.
        count = self._read(name, "query", filter="", output_fields=["count(*)"], consistency_level="Strong")
        rows = int(count[0]["count(*)"])
        complete = str(rows) == declared.get(ROWS)
        info = CollectionInfo(
            name=name, rows=rows, dim=int(dim), fingerprint=declared.get(FINGERPRINT, ""), complete=complete
        )
        columns = [field["name"] for field in described["fields"]]
        return info, StoredFields.of(self.fields.types, declared, columns)

    def search(self, name: str, vectors_QD: np.ndarray, k: int, where: str | None = None) -> Hits:
        info, stored = self._open(name)
        queries_QD = checked_queries(vectors_QD, k, info)
        expression = self._expression(where, stored)
        hits = Hits([], [])
        at_once = QUERIES_AT_ONCE if k <= MAX_K else 1
        for start in range(0, len(queries_QD), at_once):
            batch_QD = queries_QD[start : start + at_once]
            found = (
                self._best(name, batch_QD, k, expression) if k <= MAX_K else [self._deep(name, batch_QD, k, expression)]
            )
            for ordered in found:
                hits.ids.append([id_ for _, id_ in ordered])
                hits.scores.append(-np.array([score for score, _ in ordered], dtype=np.float32))
        return hits

    def _best(self, name: str, queries_QD: np.ndarray, k: int, expression: str) -> list[list[tuple[float, str]]]:
        """Negative score and id of the best items of each query, best first.

        Args:
            name: name of the collection.
            queries_QD: unit vectors of the queries.
            k: number of items, at most MAX_K.
            expression: filter in Milvus's grammar.
        """
        found = self._read(
            name,
            "search",
            data=queries_QD,
            limit=k,
            filter=expression,
            output_fields=[ITEM_ID],
            search_params={"metric_type": "IP", "params": _search_params(self.settings.index, k)},
        )
        return [sorted((-hit["distance"], hit[ITEM_ID]) for hit in hits) for hits in found]

    def _deep(self, name: str, query_1D: np.ndarray, k: int, expression: str) -> list[tuple[float, str]]:
        """More than MAX_K items for one query.

        Each search leaves out what the others found.

        Args:
            name: name of the collection.
            query_1D: unit vector of the query.
            k: number of items.
            expression: filter in Milvus's grammar.
        """
        found: list[tuple[float, str]] = []
        while len(found) < k:
            others = f"{ITEM_ID} not in [{', '.join(filters.quoted(id_) for _, id_ in found)}]" if found else ""
            both = f"({expression}) and {others}" if expression and others else expression or others
            (more,) = self._best(name, query_1D, min(MAX_K, k - len(found)), both)
            if not more:
                break
            found += more
        return sorted(found)

    def fetch(self, name: str, ids: Sequence[str], where: str | None = None) -> dict[str, dict[str, Any]]:
        _, stored = self._open(name)
        return {row[ITEM_ID]: stored.values(row) for row in self._query(name, ids, where, stored.columns)}

    def vectors(self, name: str, ids: Sequence[str], where: str | None = None) -> dict[str, np.ndarray]:
        parts = [ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE)]
        rows = (row for part in parts for row in self._query(name, part, where, [VECTOR]))
        return {row[ITEM_ID]: np.asarray(row[VECTOR], dtype=np.float32) for row in rows}

    def _query(self, name: str, ids: Sequence[str], where: str | None, columns: list[str]) -> list[dict[str, Any]]:
        _, stored = self._open(name)
        expression = f"{ITEM_ID} in [{', '.join(map(filters.quoted, ids))}]"
        if where:
            expression = f"{expression} and {self._expression(where, stored)}"
        return self._read(name, "query", filter=expression, output_fields=[ITEM_ID, *columns]) if ids else []

    def names(self) -> list[str]:
        """List all collections, sorted."""
        return sorted(self._client.list_collections())

    def ids(self, name: str) -> list[str]:
        return sorted(row[ITEM_ID] for row in self._rows(name, [ITEM_ID]))

    def contents(self, name: str) -> tuple[pl.DataFrame, np.ndarray]:
        _, stored = self._open(name)
        rows = sorted(self._rows(name, [ITEM_ID, *stored.columns, VECTOR]), key=lambda row: row[ITEM_ID])
        vectors_ND = np.array([row.pop(VECTOR) for row in rows], dtype=np.float32)
        types = {stored_as: self.fields.types[field] for field, stored_as in stored.names.items()}
        types |= dict.fromkeys(stored.companions.values(), pl.Boolean())
        items = pl.DataFrame(rows, schema={ITEM_ID: pl.String(), **types})
        return items.select(ITEM_ID, *stored.expressions()), vectors_ND

    def _rows(self, name: str, columns: list[str]) -> Iterator[dict[str, Any]]:
        self._open(name)
        with quiet("pymilvus.client.iterator.query_iterator"):  # Milvus Lite has no clock, and nothing needs one
            iterator = self._read(name, "query_iterator", batch_size=IDS_AT_ONCE, output_fields=columns)
        try:
            while rows := iterator.next():
                yield from ({column: row[column] for column in columns} for row in rows)
        finally:
            iterator.close()

    def _expression(self, where: str | None, stored: StoredFields) -> str:
        parsed = self.fields.parse(where)
        # Never the caller's text: it is parsed, and written anew with quoted constants.
        return "" if parsed is None else filters.to_milvus(parsed, stored.names, stored.companions)

    def _read(self, name: str, call: str, **arguments: Any) -> Any:
        """Call a read of Milvus's client on a collection, which is loaded again if it has to be.

        Args:
            name: name of the collection.
            call: method of the client.
            arguments: its further arguments.
        """
        client = self._client
        return self._loaded.read(client, name, lambda: getattr(client, call)(name, **arguments))

    def _open(self, name: str) -> tuple[CollectionInfo, StoredFields]:
        if name not in self._opened:
            described = self._described(name)
            if described is None:
                raise LookupError(f"no collection {name!r} in {self.settings.milvus_uri}")
            self._opened[name] = described
        return self._opened[name]


def _search_params(index: IndexParams, k: int) -> dict[str, Any]:
    params = dict(index.search)
    # HNSW looks at `ef` candidates, and refuses a search for more than it looks at.
    return {**params, "ef": max(k, params["ef"])} if "ef" in params else params
