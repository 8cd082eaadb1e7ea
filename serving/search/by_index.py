"""A searcher that asks the item index, such as Milvus.

Legend: Q queries, K results, D dimensions.
"""

from __future__ import annotations

import numpy as np

from serving.index.base import Hits, ItemIndex
from serving.search.base import NO_PAIRS, Dropped, Found, checked_queries, first_kept, nothing_found

FIRST_SPARE, GROWTH = 64, 4


class IndexSearcher:
    """A `Searcher` over one collection.

    The index knows no masks by row, so it is asked for more items until enough of them are
    allowed. If more items tie for the last rank than fit, the index chooses among them.

    Args:
        index: the item index, open.
        name: its collection.
    """

    def __init__(self, index: ItemIndex, name: str) -> None:
        self.ids = index.ids(name)
        self._index, self._name = index, name
        self._dim = index.vectors(name, self.ids[:1])[self.ids[0]].shape[0]
        self._row_of = {id_: row for row, id_ in enumerate(self.ids)}

    def search(
        self, user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None = None, dropped: Dropped = NO_PAIRS
    ) -> Found:
        found = self._search(user_QD, k + dropped.most, allowed_N)
        return first_kept(found, k, dropped, len(self.ids)) if dropped.most else found

    def _search(self, user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None) -> Found:
        """Search without items that single queries must not get; arguments as of `search`."""
        items = len(self.ids)
        queries_QD = checked_queries(user_QD, k, allowed_N, items=items, dim=self._dim)
        allowed_N = np.ones(items, bool) if allowed_N is None else allowed_N
        allowed = int(np.count_nonzero(allowed_N))
        wanted = min(k, allowed)
        asked = wanted + min(items - allowed, FIRST_SPARE)
        while wanted:
            hits = self._index.search(self._name, queries_QD, asked)
            found = self._allowed(hits, k, allowed_N)
            if asked == items or (found[0][:, wanted - 1] >= 0).all():
                return found
            asked = min(items, GROWTH * asked)
        return nothing_found(len(queries_QD), k)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        distinct, place = np.unique(rows, return_inverse=True)
        ids = [self.ids[row] for row in distinct.tolist()]
        stored = self._index.vectors(self._name, ids)
        vectors = np.array([stored[id_] for id_ in ids], np.float32).reshape(len(ids), self._dim)
        found: np.ndarray = vectors[place.reshape(rows.shape)]
        return found

    def _allowed(self, hits: Hits, k: int, allowed_N: np.ndarray) -> Found:
        """First k allowed items of each query."""
        rows_QK, scores_QK = nothing_found(len(hits.ids), k)
        for query, (ids, scores) in enumerate(zip(hits.ids, hits.scores, strict=True)):
            rows = np.array([self._row_of[id_] for id_ in ids], np.int64)
            best = np.flatnonzero(allowed_N[rows])[:k]
            rows_QK[query, : len(best)], scores_QK[query, : len(best)] = rows[best], scores[best]
        return rows_QK, scores_QK
