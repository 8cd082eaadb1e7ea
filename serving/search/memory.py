"""A searcher in memory: candidates in half precision, exact scores, exact order.

Legend: N items, Q queries, C candidates of a query, K results, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Self

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID
from serving.index.base import Fields
from serving.search.base import NO_PAIRS, Dropped, Found, checked_queries, first_kept, nothing_found
from serving.search.fields import ItemFields
from serving.search.half_precision import WALK_DEPTH, HalfPrecisionIndex, graph_bytes, packed
from serving.search.ranking import best_first, by_product, rescored, scan

FLAT_ITEMS = 1_000_000
"""Most items that are scanned by default; above, a graph is built."""
FEW_SHARE, MANY_QUERIES = 0.1, 8
"""Share of allowed items up to which, and queries from which on, a matrix product costs less than a scan."""
EXCLUDED_ITEMS = WALK_DEPTH // 4
"""Most items that a mask may exclude for a walk on the graph.

A share would mislead: a filter by department excludes the very items that are nearest to a user. Without the 256
nearest of 92,331 clustered items the walk found 99 % of the best others, as without a mask; without the 1,024 nearest
97 %, without the 4,096 nearest, which leaves 96 % of the items, 80 %.
"""
DEEPER = 8
"""Factor of the second attempt's candidates: many items score nearly the same."""

Attempt = tuple[Callable[[np.ndarray], Found], float]
"""Queries [Q, D] -> candidate rows and approximate scores [Q, C], the least last; error of these scores."""


def default_graph(item_ND: np.ndarray) -> np.ndarray | None:
    """Build the graph of more than `FLAT_ITEMS` vectors; None for fewer, which are scanned."""
    return graph_bytes(item_ND) if len(item_ND) > FLAT_ITEMS else None


class MemorySearcher:
    """A `Searcher` over vectors in memory, with the filterable fields of the items.

    Without a graph its results are exact. With a graph they are exact where a mask excludes
    more than `EXCLUDED_ITEMS`, else they miss some. Several threads may search at the same time.

    Args:
        ids: item ids, sorted.
        item_ND: their vectors, float32. The last coordinate may be an item prior.
        fields: their filterable fields.
        graph: graph of the vectors; None for a scan only.
        threads: OpenMP threads of a search of several queries by faiss. NumPy's matrix products have their own.
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
        cls,
        items: pl.DataFrame,
        item_ND: np.ndarray,
        fields: Fields,
        *,
        graph: np.ndarray | None = None,
        threads: int = 1,
    ) -> Self:
        """Build from the contents of a collection.

        Args:
            items: item_id and the fields, in order of id.
            item_ND: their vectors.
            fields: declares the filterable fields.
            graph: graph of the vectors; None for `default_graph`.
            threads: OpenMP threads of a search of several queries.
        """
        item_ND = np.ascontiguousarray(item_ND, dtype=np.float32)
        graph = default_graph(item_ND) if graph is None else graph
        return cls(items[ITEM_ID].to_list(), item_ND, ItemFields.of(items, fields), graph, threads=threads)

    def search(
        self, user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None = None, dropped: Dropped = NO_PAIRS
    ) -> Found:
        items, dim = self.item_ND.shape
        queries_QD = checked_queries(user_QD, k, allowed_N, items=items, dim=dim)
        if not len(dropped.row_P):
            return self._search(queries_QD, k, allowed_N)
        if len(queries_QD) >= MANY_QUERIES:
            return first_kept(self._search(queries_QD, k + dropped.most, allowed_N), k, dropped, items)
        # A mask of its own for each query: the further a search goes, the more items score nearly the same.
        alone = [
            self._search(queries_QD[n : n + 1], k, without(allowed_N, dropped.of(n), items))
            for n in range(len(queries_QD))
        ]
        return np.concatenate([rows for rows, _ in alone]), np.concatenate([scores for _, scores in alone])

    def _search(self, queries_QD: np.ndarray, k: int, allowed_N: np.ndarray | None) -> Found:
        """Search the same items for all queries; arguments as of `search`."""
        items = len(self.ids)
        allowed = items if allowed_N is None else int(np.count_nonzero(allowed_N))
        if allowed == items:
            allowed_N = None  # a mask costs a fifth of a scan
        wanted = min(k, allowed)
        rows_QK, scores_QK = nothing_found(len(queries_QD), k)
        if wanted:
            rows_QK[:, :wanted], scores_QK[:, :wanted] = self._best(queries_QD, wanted, allowed_N)
        return rows_QK, scores_QK

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        vectors: np.ndarray = self.item_ND[rows]
        return vectors

    def _best(self, user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None) -> Found:
        """The k best of the allowed items, by the cheapest candidates that surely hold them.

        Args:
            user_QD: vectors of the queries.
            k: number of items, at most as many as are allowed.
            allowed_N: allowed items; None for all.
        """
        rows_QK, scores_QK = nothing_found(len(user_QD), k)
        rows = None if allowed_N is None else np.flatnonzero(allowed_N)
        open_Q = np.arange(len(user_QD))
        for candidates, error in self._attempts(len(user_QD), k, allowed_N, rows):
            asked_QD = user_QD[open_Q]
            rows_QC, approximate_QC = candidates(asked_QD)
            exact_QC = rescored(asked_QD, self.item_ND, rows_QC)
            found = best_first(rows_QC, exact_QC, k)
            # Any other item scores at most what the last candidate seems to, plus the error.
            other_Q = approximate_QC[:, -1] + error * np.linalg.norm(asked_QD, axis=1)
            sure_Q = (rows_QC[:, -1] >= 0) & (found[1][:, -1] > other_Q)
            rows_QK[open_Q[sure_Q]], scores_QK[open_Q[sure_Q]] = found[0][sure_Q], found[1][sure_Q]
            open_Q = open_Q[~sure_Q]
            if not len(open_Q):
                return rows_QK, scores_QK
        rows_QK[open_Q], scores_QK[open_Q] = scan(user_QD[open_Q], self.item_ND, rows, k)
        return rows_QK, scores_QK

    def _attempts(
        self, queries: int, k: int, allowed_N: np.ndarray | None, rows: np.ndarray | None
    ) -> Iterator[Attempt]:
        """Ways to find candidates, the cheapest first.

        Args:
            queries: number of queries.
            k: number of items.
            allowed_N: allowed items; None for all.
            rows: their rows.
        """
        items, index = len(self.ids), self._index
        allowed = items if rows is None else len(rows)
        count = k + max(16, k // 4)
        counts = [each for each in (count, DEEPER * count) if each <= allowed // 4]
        if allowed <= FEW_SHARE * items or queries >= MANY_QUERIES:
            for each in counts:
                yield partial(by_product, item_ND=self.item_ND, rows_M=rows, count=each), index.rounding
            return
        bits = None if allowed_N is None else packed(allowed_N)
        if index.has_graph and items - allowed <= EXCLUDED_ITEMS and counts:
            yield partial(index.walk, count=count, allowed=bits), index.error
        for each in counts:
            yield partial(index.scan, count=each, allowed=bits), index.error


def without(allowed_N: np.ndarray | None, rows: np.ndarray, items: int) -> np.ndarray:
    """Allowed items without some rows.

    Args:
        allowed_N: allowed items; None for all.
        rows: rows that are left out.
        items: number of all items.
    """
    left_N = np.ones(items, bool) if allowed_N is None else allowed_N.copy()
    left_N[rows] = False
    return left_N
