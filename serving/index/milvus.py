"""The item index in Milvus, or in Milvus Lite where no server is configured.

Milvus Lite accepts NaN vectors, wrong metrics and limits above the maximum, and it drops collections that an alias
points at: everything is checked here. One process at a time can open its folder, so a command closes the index when it
ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from feature_repo.progress import track
from feature_repo.schema import ITEM_ID
from serving.index import filters
from serving.index.base import (
    QUERIES_AT_ONCE,
    CollectionInfo,
    Fields,
    Hits,
    checked,
    checked_queries,
    fingerprint,
)
from serving.index.collection_schema import VECTOR, collection_schema
from serving.index.exact import in_place, refuse_drop
from serving.index.milvus_connection import connect, quiet, release
from serving.index.stored_names import NAMES, numbered, stored_names
from serving.settings import IndexParams, Settings

if TYPE_CHECKING:
    from pymilvus import MilvusClient

ROWS, FINGERPRINT = "gatehouse.rows", "gatehouse.fingerprint"
"""Properties of a collection: rows and content that its build was to store."""
ROWS_AT_ONCE = 5_000
IDS_AT_ONCE = 2_000
"""Vectors fetched in one call: the size of a message is bounded."""
SAMPLE = 256
MAX_K = 16_384
"""Largest number of results that Milvus returns for a query."""


class MilvusIndex:
    """An `ItemIndex` in Milvus.

    It connects at first use; use it as a context manager.
    """

    def __init__(self, settings: Settings, fields: Fields) -> None:
        self.settings = settings
        self.fields = fields
        self._connection: tuple[MilvusClient, str] | None = None
        self._opened: dict[str, tuple[CollectionInfo, dict[str, str]]] = {}

    def __enter__(self) -> MilvusIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection and free a Lite folder. Another use opens them again."""
        if self._connection:
            client, uri = self._connection
            self._connection = None
            self._opened.clear()
            client.close()
            release(uri)

    @property
    def _client(self) -> MilvusClient:
        if self._connection is None:
            self._connection = connect(self.settings)
        return self._connection[0]

    def build(self, name: str, items: pl.DataFrame, vectors_ND: np.ndarray) -> CollectionInfo:
        items, vectors_ND = checked(items, vectors_ND, self.fields)
        wanted = CollectionInfo(
            name=name, rows=len(items), dim=vectors_ND.shape[1], fingerprint=fingerprint(items), complete=True
        )
        stored = self.info(name)
        if stored and stored.complete:
            if stored != wanted or not self._holds(name, items, vectors_ND):
                raise ValueError(in_place(name))
            return stored
        # An incomplete collection is what a killed build left behind.
        if stored:
            self.drop(name)
        self._create(wanted)
        stored_as = numbered(self.fields.types)
        for start in track(range(0, len(items), ROWS_AT_ONCE), f"inserts of {ROWS_AT_ONCE:,} items"):
            rows = items[start : start + ROWS_AT_ONCE].rename(stored_as).to_dicts()  # Milvus takes rows
            batch_ND = vectors_ND[start : start + ROWS_AT_ONCE]
            self._client.insert(name, [{**row, VECTOR: vector} for row, vector in zip(rows, batch_ND, strict=True)])
        self._client.flush(name)
        built = self.info(name)
        # Counted after the flush: an insert that Milvus dropped raises nothing.
        if built != wanted:
            raise RuntimeError(f"{name} holds {built.rows if built else 0:,} of {len(items):,} items; build it again")
        return wanted

    def _create(self, info: CollectionInfo) -> None:
        index, params = self._client.prepare_index_params(), self.settings.index
        index.add_index(VECTOR, index_type=params.index_type, metric_type="IP", params=dict(params.build))
        schema = collection_schema(self.fields, info.dim)
        names = json.dumps(list(self.fields.types), ensure_ascii=False)
        declared = {ROWS: str(info.rows), FINGERPRINT: info.fingerprint, NAMES: names}
        with quiet("grpc._server"):  # Milvus Lite logs a call that it does not implement and that nothing needs
            self._client.create_collection(info.name, schema=schema, index_params=index, properties=declared)

    def _holds(self, name: str, items: pl.DataFrame, vectors_ND: np.ndarray) -> bool:
        """Compare a sample of the stored vectors with the given vectors."""
        rows = np.unique(np.linspace(0, len(items) - 1, SAMPLE).astype(int))
        ids = items[ITEM_ID][rows].to_list()
        stored = {row[ITEM_ID]: row[VECTOR] for row in self._client.get(name, ids=ids, output_fields=[ITEM_ID, VECTOR])}
        return stored.keys() == set(ids) and np.allclose([stored[id_] for id_ in ids], vectors_ND[rows], atol=1e-3)

    def info(self, name: str) -> CollectionInfo | None:
        described = self._described(name)
        return described and described[0]

    def _described(self, name: str) -> tuple[CollectionInfo, dict[str, str]] | None:
        """Description of a collection, and the names of its fields in it."""
        if not self._client.has_collection(name):
            return None
        described = self._client.describe_collection(name)
        declared = described["properties"]
        dim = next(field["params"]["dim"] for field in described["fields"] if field["name"] == VECTOR)
        self._client.load_collection(name)
        # Strong: a weaker count can miss rows that were inserted a moment ago.
        count = self._client.query(name, filter="", output_fields=["count(*)"], consistency_level="Strong")
        rows = int(count[0]["count(*)"])
        complete = str(rows) == declared.get(ROWS)
        info = CollectionInfo(
            name=name, rows=rows, dim=int(dim), fingerprint=declared.get(FINGERPRINT, ""), complete=complete
        )
        return info, stored_names(self.fields.types, declared)

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
        found = self._client.search(
            name,
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
        rows = self._query(name, ids, where, list(stored.values()))
        return {row[ITEM_ID]: {field: row[stored_as] for field, stored_as in stored.items()} for row in rows}

    def vectors(self, name: str, ids: Sequence[str], where: str | None = None) -> dict[str, np.ndarray]:
        parts = [ids[start : start + IDS_AT_ONCE] for start in range(0, len(ids), IDS_AT_ONCE)]
        rows = (row for part in parts for row in self._query(name, part, where, [VECTOR]))
        return {row[ITEM_ID]: np.asarray(row[VECTOR], dtype=np.float32) for row in rows}

    def _query(self, name: str, ids: Sequence[str], where: str | None, columns: list[str]) -> list[dict[str, Any]]:
        _, stored = self._open(name)
        expression = f"{ITEM_ID} in [{', '.join(map(filters.quoted, ids))}]"
        if where:
            expression = f"{expression} and {self._expression(where, stored)}"
        return self._client.query(name, filter=expression, output_fields=[ITEM_ID, *columns]) if ids else []

    def names(self) -> list[str]:
        """List all collections, sorted."""
        return sorted(self._client.list_collections())

    def ids(self, name: str) -> list[str]:
        return sorted(row[ITEM_ID] for row in self._rows(name, [ITEM_ID]))

    def contents(self, name: str) -> tuple[pl.DataFrame, np.ndarray]:
        _, stored = self._open(name)
        rows = sorted(self._rows(name, [ITEM_ID, *stored.values(), VECTOR]), key=lambda row: row[ITEM_ID])
        vectors_ND = np.array([row.pop(VECTOR) for row in rows], dtype=np.float32)
        types = {stored_as: self.fields.types[field] for field, stored_as in stored.items()}
        items = pl.DataFrame(rows, schema={ITEM_ID: pl.String(), **types})
        return items.rename({stored_as: field for field, stored_as in stored.items()}), vectors_ND

    def _rows(self, name: str, columns: list[str]) -> Iterator[dict[str, Any]]:
        self._open(name)
        with quiet("pymilvus.client.iterator.query_iterator"):  # Milvus Lite has no clock, and nothing needs one
            iterator = self._client.query_iterator(name, batch_size=IDS_AT_ONCE, output_fields=columns)
        try:
            while rows := iterator.next():
                yield from ({column: row[column] for column in columns} for row in rows)
        finally:
            iterator.close()

    def drop(self, name: str, *, kept: Iterable[str] = ()) -> None:
        if self._client.has_collection(name):
            refuse_drop(name, self._client.list_aliases(name)["aliases"], kept)
            self._client.drop_collection(name)
            self._opened.pop(name, None)

    def point(self, alias: str, name: str) -> None:
        self._open(name)
        # `alter_alias` fails on an alias that does not exist yet.
        if self.target(alias) is None:
            self._client.create_alias(name, alias)
        else:
            self._client.alter_alias(name, alias)

    def target(self, alias: str) -> str | None:
        if alias not in self._client.list_aliases()["aliases"]:
            return None
        return self._client.describe_alias(alias)["collection_name"]

    def _expression(self, where: str | None, stored: Mapping[str, str]) -> str:
        parsed = self.fields.parse(where)
        # Never the caller's text: it is parsed, and written anew with quoted constants.
        return "" if parsed is None else filters.to_milvus(parsed, stored)

    def _open(self, name: str) -> tuple[CollectionInfo, dict[str, str]]:
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
