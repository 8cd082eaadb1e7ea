"""Exact search whose scores a rescorer changes.

It changes those of history items, or of the best candidates.

Legend: Q queries, N corpus items, D embedding width, b queries of a block, C candidates
of a query, P pairs, K length of a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.retrieval.exact import BlockSearch, MakeSearch, Mask, exact_search, item_parts

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Rescore = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(query rows [P], item rows [P]) -> scores [P], float; queries in ascending order."""
QUERIES_AT_ONCE = 256
"""Queries whose candidates are rescored at a time."""


def rescored_search(user_QD: np.ndarray, item_ND: np.ndarray, repeat: csr_array) -> MakeSearch:
    """Search by <u, v> + repeat(u, v), as exact index and repeat head together.

    Args:
        user_QD: embeddings of the queries.
        item_ND: embeddings of the corpus.
        repeat: float [Q, N], entries for the items of users' histories.
    """

    def parts(rows: np.ndarray) -> Iterator[np.ndarray]:
        added = repeat[rows].tocoo()
        for items in item_parts(len(item_ND)):
            scores_bn: np.ndarray = user_QD[rows] @ item_ND[items].T
            inside = (added.col >= items.start) & (added.col < items.stop)
            scores_bn[added.row[inside], added.col[inside] - items.start] += added.data[inside]
            yield scores_bn

    return BlockSearch(parts)


def reranked_search(user_QD: np.ndarray, item_ND: np.ndarray, rescore: Rescore, candidates: int) -> MakeSearch:
    """Search as an exact index and a reranker of its best candidates find together.

    The `candidates` best items by <u, v> come in the order of their new scores; behind
    them all others by <u, v>.

    Args:
        user_QD: embeddings of the queries.
        item_ND: embeddings of the corpus.
        rescore: new scores of pairs.
        candidates: number of items of each query that are reranked.
    """
    return RerankedSearch(exact_search(user_QD, item_ND), rescore, candidates)


@dataclass(frozen=True, eq=False)
class RerankedSearch(MakeSearch):
    """Search that reorders the first items of another search's lists."""

    plain: MakeSearch
    rescore: Rescore
    candidates: int

    def lists(self, rows: np.ndarray, k: int, masks: Sequence[Mask]) -> list[np.ndarray]:
        found = self.plain.lists(rows, max(k, self.candidates), masks)
        return [self._reordered(rows, ids_QK)[:, :k] for ids_QK in found]

    def _reordered(self, rows: np.ndarray, ids_QK: np.ndarray) -> np.ndarray:
        """Lists whose candidates stand in the new order.

        In blocks of queries: pairs take memory.
        """
        starts = range(0, len(rows), QUERIES_AT_ONCE)
        blocks = [
            self._block(rows[start : start + QUERIES_AT_ONCE], ids_QK[start : start + QUERIES_AT_ONCE])
            for start in starts
        ]
        return np.concatenate([*blocks, ids_QK[:0]])

    def _block(self, rows: np.ndarray, ids_QK: np.ndarray) -> np.ndarray:
        # By item row first: a stable sort by score then breaks ties as every search does.
        first_QC = np.sort(ids_QK[:, : self.candidates], axis=1)
        row, rank = np.nonzero(first_QC >= 0)
        scores_QC = np.full(first_QC.shape, -np.inf)
        scores_QC[row, rank] = self.rescore(rows[row], first_QC[row, rank])
        order_QC = np.argsort(-scores_QC, axis=1, kind="stable")
        return np.concatenate([np.take_along_axis(first_QC, order_QC, axis=1), ids_QK[:, self.candidates :]], axis=1)
