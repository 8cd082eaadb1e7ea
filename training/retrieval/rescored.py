"""Exact search whose best items are ranked anew, as a re-scorer does it.

Q queries, N corpus items, D embedding width, b queries of one block, C candidates of a query, P pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from training.retrieval.exact import BLOCK, Search, masked, score_search, top_k

if TYPE_CHECKING:
    from scipy.sparse import csr_array

if TYPE_CHECKING:
    from scipy.sparse import csr_array
Rescore = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(query rows [P], item rows [P]) -> scores [P], float; queries in ascending order."""


def reranked_search(
    user_QD: np.ndarray,
    item_ND: np.ndarray,
    rescore: Rescore,
    candidates: int,
    *,
    exclude: csr_array | None = None,
    corpus: np.ndarray | None = None,
) -> Search:
    """Under the masks, the `candidates` best items by <u, v> in the order of their new scores; behind them all others
    by <u, v>. It finds what an exact index and a re-scorer of candidates find together."""

    def search(rows: np.ndarray, k: int) -> np.ndarray:
        blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
        return np.concatenate([np.empty((0, k), np.int32), *(block_lists(block, k) for block in blocks)])

    def block_lists(block: np.ndarray, k: int) -> np.ndarray:
        plain_bN = masked(user_QD[block] @ item_ND.T, block, exclude, corpus)
        best_bC = top_k(plain_bN, candidates)
        row, place = np.nonzero(best_bC >= 0)
        item = best_bC[row, place]
        anew_bN = np.full(plain_bN.shape, -np.inf)
        anew_bN[row, item] = rescore(block[row], item)
        plain_bN[row, item] = -np.inf
        # What is ranked anew comes first, and what is behind it fills the places that stay empty.
        both = np.concatenate([top_k(anew_bN, k), top_k(plain_bN, k)], axis=1)
        return np.take_along_axis(both, np.argsort(both < 0, axis=1, kind="stable")[:, :k], axis=1)

    return search


def rescored_search(
    user_QD: np.ndarray,
    item_ND: np.ndarray,
    repeat: csr_array,
    *,
    exclude: csr_array | None = None,
    corpus: np.ndarray | None = None,
) -> Search:
    """As `exact_search`, by <u, v> + repeat: float [Q, N] with entries for the items of users' histories. It finds what
    an exact index and a re-scorer of histories find together."""

    def scores(rows: np.ndarray) -> np.ndarray:
        scores_BN: np.ndarray = user_QD[rows] @ item_ND.T
        added = repeat[rows].tocoo()
        scores_BN[added.row, added.col] += added.data
        return scores_BN

    return score_search(scores, exclude=exclude, corpus=corpus)
