"""A searcher in memory: candidates in half precision, exact scores, exact order.

Legend: N items, Q queries, C candidates of a query, K results, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID
from serving.index.base import Fields
from serving.search.base import Found, checked_queries, nothing_found
from serving.search.fields import ItemFields
from serving.search.half_precision import HalfPrecisionIndex, Kind, graph_bytes, packed
from serving.search.ranking import best_first, rescored, scan

FLAT_ITEMS = 1_000_000
"""Most items that are scanned by default; above, a graph is built."""
EXACT_ITEMS = 8_192
"""Allowed items up to which scoring them all exactly takes less time than a search of all items."""
GRAPH_SHARE = 0.5
"""Least share of allowed items at which the graph loses no recall."""

Candidates = Callable[[np.ndarray], Found]
"""Queries [Q, D] -> candidate rows and approximate scores [Q, C]."""


class MemorySearcher:
    """A `Searcher` over vectors in memory, with the filterable fields of the items.

    Without a graph its results are exact. With a graph they are exact where few items are
    allowed, else they miss some. Several threads may search at the same time.

    Args:
        ids: item ids, sorted.
        item_ND: their vectors, float32. The last coordinate may be an item prior.
        fields: their filterable fields.
        graph: graph of the vectors; None for a scan only.
        threads: OpenMP threads of a search of several queries.
    """

    def __init__(
        self,
        ids: list[str],
        item_ND: np.ndarray,
        fields: ItemFields,
        graph: np.ndarray | None = None,
        *,
        threads: int = 1,
    ) -> None:
        if not len(ids) == len(item_ND) == fields.items:
            raise ValueError(
                f"{len(ids):,} ids, {len(item_ND):,} vectors, fields of {fields.items:,} items: wanted as many"
            )
        self.ids, self.item_ND, self.fields, self.graph = ids, item_ND, fields, graph
        self._index = HalfPrecisionIndex(item_ND, graph, threads=threads)

    @classmethod
    def build(
        cls, items: pl.DataFrame, item_ND: np.ndarray, fields: Fields, *, kind: Kind | None = None, threads: int = 1
    ) -> MemorySearcher:
        """Build from the contents of a collection.

        Args:
            items: item_id and the fields, in order of id.
            item_ND: their vectors.
            fields: declares the filterable fields.
            kind: kind of the index; None for a graph above `FLAT_ITEMS`.
            threads: OpenMP threads of the build and of searches; the bytes of a graph repeat with one thread only.
        """
        kind = kind or (Kind.HNSW if len(items) > FLAT_ITEMS else Kind.FLAT)
        item_ND = np.ascontiguousarray(item_ND, dtype=np.float32)
        graph = graph_bytes(item_ND, threads=threads) if kind is Kind.HNSW else None
        return cls(items[ITEM_ID].to_list(), item_ND, ItemFields.of(items, fields), graph, threads=threads)

    def search(self, user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None = None) -> Found:
        items, dim = self.item_ND.shape
        queries_QD = checked_queries(user_QD, k, allowed_N, items=items, dim=dim)
        allowed = items if allowed_N is None else int(np.count_nonzero(allowed_N))
        wanted = min(k, allowed)
        rows_QK, scores_QK = nothing_found(len(queries_QD), k)
        if wanted:
            found = self._best(queries_QD, wanted, allowed, allowed_N)
            rows_QK[:, :wanted], scores_QK[:, :wanted] = found
        return rows_QK, scores_QK

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        vectors: np.ndarray = self.item_ND[rows]
        return vectors

    def _best(self, user_QD: np.ndarray, k: int, allowed: int, allowed_N: np.ndarray | None) -> Found:
        """The k best of the allowed items, by the cheapest candidates that surely hold them.

        Args:
            user_QD: vectors of the queries.
            k: number of items, at most `allowed`.
            allowed: number of allowed items.
            allowed_N: allowed items; None for all.
        """
        rows_QK, scores_QK = nothing_found(len(user_QD), k)
        open_Q = np.arange(len(user_QD))
        for candidates in self._attempts(k, allowed, allowed_N):
            rows_QC, approximate_QC = candidates(user_QD[open_Q])
            exact_QC = rescored(user_QD[open_Q], self.item_ND, rows_QC)
            found = best_first(rows_QC, exact_QC, k)
            # Any other item scores at most what the last candidate seems to, plus the error.
            slack_Q = self._index.error * np.linalg.norm(user_QD[open_Q], axis=1)
            sure_Q = (rows_QC[:, -1] >= 0) & (found[1][:, -1] > approximate_QC[:, -1] + slack_Q)
            rows_QK[open_Q[sure_Q]], scores_QK[open_Q[sure_Q]] = found[0][sure_Q], found[1][sure_Q]
            open_Q = open_Q[~sure_Q]
            if not len(open_Q):
                return rows_QK, scores_QK
        rows = None if allowed_N is None else np.flatnonzero(allowed_N)
        rows_QK[open_Q], scores_QK[open_Q] = scan(user_QD[open_Q], self.item_ND, rows, k)
        return rows_QK, scores_QK

    def _attempts(self, k: int, allowed: int, allowed_N: np.ndarray | None) -> Iterator[Candidates]:
        """Candidates to try before all allowed items are scored exactly, the cheapest first."""
        if allowed <= EXACT_ITEMS:
            return
        bits = None if allowed_N is None else packed(allowed_N)
        count = k + max(16, k // 4)
        if self._index.has_graph and allowed >= GRAPH_SHARE * len(self.ids) and count <= allowed // 4:
            yield partial(self._index.walk, count=count, allowed=bits)
        # More candidates where many scores are equal, or nearly so.
        for each in (count, 8 * count):
            if each <= allowed // 4:
                yield partial(self._index.scan, count=each, allowed=bits)
