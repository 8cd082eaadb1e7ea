"""A searcher behind a guard, for one that asks a server.

Legend: Q queries, N items.
"""

from __future__ import annotations

import numpy as np

from serving.guard import Guard
from serving.search.base import NO_PAIRS, Dropped, Found, Searcher


class GuardedSearcher:
    """A `Searcher` whose calls raise AwayError where its server does not answer.

    Args:
        searcher: the searcher.
        guard: guard of its server.
    """

    def __init__(self, searcher: Searcher, guard: Guard) -> None:
        self.ids = searcher.ids
        self._searcher, self._guard = searcher, guard

    def search(
        self, user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None = None, dropped: Dropped = NO_PAIRS
    ) -> Found:
        return self._guard.call(lambda: self._searcher.search(user_QD, k, allowed_N, dropped))

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        return self._guard.call(lambda: self._searcher.vectors(rows))
