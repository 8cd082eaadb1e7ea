"""Retrieval metrics per user, over retrieved item rows.

All metrics are binary and have the same three arguments: `hits_QK` from `is_relevant`,
`counts_Q` (relevant items of each user) and k. They return float64 [Q]. They raise
ValueError for a user without a relevant item, whose recall is undefined and not 0, and
for lists shorter than k, which -1 pads.

Legend: Q users, N corpus items, K retrieved ranks (best first, -1 for no item).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Metric = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def is_relevant(retrieved_QK: np.ndarray, relevant: csr_array) -> np.ndarray:
    """Mask of the retrieved ranks that hold a relevant item: bool [Q, K].

    Args:
        retrieved_QK: item rows, distinct within a list; -1 for no item.
        relevant: sparse [Q, N], an entry for every relevant item.

    Raises:
        ValueError: shapes that do not fit, an item outside the corpus, or an item twice
            in one list.
    """
    queries, items = relevant.shape
    if len(retrieved_QK) != queries:
        raise ValueError(f"got {len(retrieved_QK)} lists for {queries} rows of relevant items; wanted one each")
    if retrieved_QK.size and (retrieved_QK.min() < -1 or retrieved_QK.max() >= items):
        raise ValueError(f"retrieved ids span {retrieved_QK.min()}..{retrieved_QK.max()}; wanted -1..{items - 1}")
    ordered_QK = np.sort(retrieved_QK, axis=1)
    if ((ordered_QK[:, 1:] == ordered_QK[:, :-1]) & (ordered_QK[:, 1:] >= 0)).any():
        raise ValueError("got an item twice in one retrieved list; wanted distinct items")
    # One number per (row, item) pair turns membership into a binary search in a sorted
    # array.
    pairs = np.sort(np.repeat(np.arange(queries), np.diff(relevant.indptr)) * items + relevant.indices)
    wanted_QK = np.arange(queries)[:, None] * items + retrieved_QK
    position_QK = np.searchsorted(pairs, wanted_QK)
    # The appended -1 answers a search behind the last pair.
    return (np.append(pairs, -1)[position_QK] == wanted_QK) & (retrieved_QK >= 0)


def recall_at_k(hits_QK: np.ndarray, counts_Q: np.ndarray, k: int) -> np.ndarray:
    """Share of the relevant items within the first k ranks, of |relevant|.

    Args:
        hits_QK: whether each rank holds a relevant item.
        counts_Q: relevant items of each user.
        k: ranks that count.
    """
    return _first(hits_QK, counts_Q, k).sum(axis=1) / counts_Q


def precision_at_k(hits_QK: np.ndarray, counts_Q: np.ndarray, k: int) -> np.ndarray:
    """Share of the first k ranks that hold a relevant item, of k.

    Args:
        hits_QK: whether each rank holds a relevant item.
        counts_Q: relevant items of each user.
        k: ranks that count.
    """
    return _first(hits_QK, counts_Q, k).sum(axis=1) / k


def ndcg_at_k(hits_QK: np.ndarray, counts_Q: np.ndarray, k: int) -> np.ndarray:
    """Discounted gain of the hits, Σ 1/log2(rank + 1), as a share of the largest.

    Args:
        hits_QK: whether each rank holds a relevant item.
        counts_Q: relevant items of each user; the largest gain has min(counts, k) hits
            on top.
        k: ranks that count.
    """
    discounts_K = 1 / np.log2(np.arange(2, k + 2))
    ideal_Q = np.cumsum(discounts_K)[np.minimum(counts_Q, k) - 1]
    return _first(hits_QK, counts_Q, k) @ discounts_K / ideal_Q


def hit_at_k(hits_QK: np.ndarray, counts_Q: np.ndarray, k: int) -> np.ndarray:
    """1 if any of the first k ranks holds a relevant item, else 0.

    Args:
        hits_QK: whether each rank holds a relevant item.
        counts_Q: relevant items of each user.
        k: ranks that count.
    """
    return np.where(_first(hits_QK, counts_Q, k).any(axis=1), 1.0, 0.0)


def mrr_at_k(hits_QK: np.ndarray, counts_Q: np.ndarray, k: int) -> np.ndarray:
    """1 / rank of the first relevant item within k ranks, else 0.

    Args:
        hits_QK: whether each rank holds a relevant item.
        counts_Q: relevant items of each user.
        k: ranks that count.
    """
    first_QK = _first(hits_QK, counts_Q, k)
    return np.where(first_QK.any(axis=1), 1 / (first_QK.argmax(axis=1) + 1), 0.0)


METRICS: dict[str, Metric] = {
    "recall": recall_at_k,
    "precision": precision_at_k,
    "ndcg": ndcg_at_k,
    "hit": hit_at_k,
    "mrr": mrr_at_k,
}


def recall_ceiling(counts_Q: np.ndarray, k: int) -> float:
    """Highest mean recall@k that any lists can have: mean of min(k, n) / n."""
    return float(np.mean(np.minimum(counts_Q, k) / counts_Q))


def recall_curve(hits_QK: np.ndarray, counts_Q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean recall at every k from 1 to K, and its standard error: float64 [K] each."""
    recall_QK = hits_QK.cumsum(axis=1) / counts_Q[:, None]
    return recall_QK.mean(axis=0), recall_QK.std(axis=0) / np.sqrt(len(recall_QK))


def index_recall(exact_ids_QK: np.ndarray, index_ids_QK: np.ndarray) -> float:
    """Mean share of the exact list that an index returned, in any order.

    Args:
        exact_ids_QK: item rows of an exact search; lists without an item are left out.
        index_ids_QK: item rows of the index, as many.

    Raises:
        ValueError: lists of different shape, or no exact list with an item.
    """
    from scipy.sparse import csr_array

    if exact_ids_QK.shape != index_ids_QK.shape:
        raise ValueError(f"got {exact_ids_QK.shape} exact and {index_ids_QK.shape} index lists; wanted the same shape")
    query, rank = np.nonzero(exact_ids_QK >= 0)
    items = max(exact_ids_QK.max(initial=-1), index_ids_QK.max(initial=-1)) + 1
    exact = csr_array(
        (np.ones(len(query), dtype=np.int8), (query, exact_ids_QK[query, rank])), shape=(len(exact_ids_QK), items)
    )
    counts_Q = np.diff(exact.indptr)
    if not counts_Q.any():
        raise ValueError("no exact list holds an item; nothing to compare with")
    found_Q = is_relevant(index_ids_QK, exact).sum(axis=1)
    return float(np.mean(found_Q[counts_Q > 0] / counts_Q[counts_Q > 0]))


def _first(hits_QK: np.ndarray, counts_Q: np.ndarray, k: int) -> np.ndarray:
    """First k ranks, after the checks that all metrics share.

    Args:
        hits_QK: whether each rank holds a relevant item.
        counts_Q: relevant items of each user.
        k: ranks that count.
    """
    if not 1 <= k <= hits_QK.shape[1]:
        raise ValueError(f"k = {k}, but the lists have {hits_QK.shape[1]} ranks; retrieve at least k (pad with -1)")
    if (counts_Q < 1).any():
        raise ValueError(f"{int((counts_Q < 1).sum())} users have no relevant item: leave them out of the metric")
    return hits_QK[:, :k]
