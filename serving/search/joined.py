"""A searcher over the items of two searchers, those of the second behind those of the first.

Legend: Q queries, N items of both, K results.
"""

from __future__ import annotations

import numpy as np

from serving.search.base import NO_PAIRS, Dropped, Found, Searcher
from serving.search.ranking import best_first


class JoinedSearcher:
    """A `Searcher` over two. Ids are sorted within each of the two only.

    Args:
        first: searcher of the first rows.
        second: searcher of the rows behind them.
    """

    def __init__(self, first: Searcher, second: Searcher) -> None:
        self._first, self._second = first, second
        self.ids = [*first.ids, *second.ids]

    def search(
        self, user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None = None, dropped: Dropped = NO_PAIRS
    ) -> Found:
        start = len(self._first.ids)
        first_N, second_N = (None, None) if allowed_N is None else (allowed_N[:start], allowed_N[start:])
        behind_P = dropped.row_P >= start
        rows_QK, scores_QK = self._first.search(user_QD, k, first_N, _part(dropped, ~behind_P, 0))
        own_QK, own_scores_QK = self._second.search(user_QD, k, second_N, _part(dropped, behind_P, start))
        own_QK = np.where(own_QK < 0, own_QK, own_QK + start)
        rows_QC = np.concatenate([rows_QK, own_QK], axis=1)
        return best_first(rows_QC, np.concatenate([scores_QK, own_scores_QK], axis=1), k)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        start, flat = len(self._first.ids), rows.reshape(-1)
        behind = flat >= start
        own_PD = self._second.vectors(flat[behind] - start)
        found = np.empty((len(flat), own_PD.shape[-1]), np.float32)
        found[behind] = own_PD
        if not behind.all():
            found[~behind] = self._first.vectors(flat[~behind])
        return found.reshape(*rows.shape, own_PD.shape[-1])


def _part(dropped: Dropped, chosen_P: np.ndarray, start: int) -> Dropped:
    """Some pairs, with rows counted from a start."""
    return Dropped(query_P=dropped.query_P[chosen_P], row_P=dropped.row_P[chosen_P] - start)
