"""Exact scores and order of candidates.

Legend: N items, Q queries, C candidates of a query, M rows of a scan, K results, D dimensions.
"""

from __future__ import annotations

import numpy as np

from serving.index.exact import best_rows
from serving.search.base import Found, nothing_found

SCORES_AT_ONCE = 16_000_000
PART_ROWS = 64
"""Rows whose maximum is taken at once where the best of many scores are wanted."""


def rescored(user_QD: np.ndarray, item_ND: np.ndarray, rows_QC: np.ndarray) -> np.ndarray:
    """Inner products of candidates, float32 [Q, C]; -inf where the row is -1.

    Args:
        user_QD: vectors of the queries.
        item_ND: vectors of all items.
        rows_QC: candidates of each query.
    """
    # einsum, not a matrix product, which sums the same numbers in another order here and
    # there: items of equal vectors must get equal scores.
    scores = [np.einsum("cd,d->c", item_ND[rows_C], user_D) for rows_C, user_D in zip(rows_QC, user_QD, strict=True)]
    return np.where(rows_QC < 0, np.float32(-np.inf), np.array(scores, np.float32).reshape(rows_QC.shape))


def best_first(rows_QC: np.ndarray, scores_QC: np.ndarray, k: int) -> Found:
    """The k best candidates of each query, of equal scores the lower row first.

    Args:
        rows_QC: candidates of each query.
        scores_QC: their scores.
        k: number of results, at most C.
    """
    order_QK = np.lexsort((rows_QC, -scores_QC), axis=-1)[:, :k]
    rows_QK = np.take_along_axis(rows_QC, order_QK, axis=1).astype(np.int32, copy=False)
    return rows_QK, np.take_along_axis(scores_QC, order_QK, axis=1)


def by_product(user_QD: np.ndarray, item_ND: np.ndarray, rows_M: np.ndarray | None, count: int) -> Found:
    """Candidates by a matrix product, whose sums are rounded.

    Args:
        user_QD: vectors of the queries.
        item_ND: vectors of all items.
        rows_M: rows that may be found, in order; None for all.
        count: number of candidates, at most M.

    Returns:
        Rows [Q, count] in any order, the last of which scores least, and approximate scores.
    """
    kept_MD = item_ND if rows_M is None else item_ND[rows_M]
    rows_QC, scores_QC = nothing_found(len(user_QD), count)
    at_once = max(1, SCORES_AT_ONCE // len(kept_MD))
    for start in range(0, len(user_QD), at_once):
        scores_MQ = kept_MD @ user_QD[start : start + at_once].T
        for query, rows in enumerate(_candidates(scores_MQ, count), start):
            scores_P = scores_MQ[rows, query - start]
            least = np.partition(scores_P, -count)[-count]
            above, equal = np.flatnonzero(scores_P > least), np.flatnonzero(scores_P == least)
            best_C = np.concatenate([above, equal[: count - len(above)]])
            rows_QC[query] = rows[best_C] if rows_M is None else rows_M[rows[best_C]]
            scores_QC[query] = scores_P[best_C]
    return rows_QC, scores_QC


def _candidates(scores_MQ: np.ndarray, count: int) -> list[np.ndarray]:
    """Rows of each query, in order, among which are its `count` best: hardly more than these, unless scores are equal.

    The count-th best of the maxima of some parts is a bound of the count-th best score. All is read as it lies.
    """
    parts = max(count, len(scores_MQ) // PART_ROWS)
    size = len(scores_MQ) // parts
    maxima_PQ = scores_MQ[: size * parts].reshape(size, parts, -1).max(axis=0)
    bound_Q = np.partition(maxima_PQ, -count, axis=0)[-count]
    row_P, query_P = np.divmod(np.flatnonzero(scores_MQ >= bound_Q), scores_MQ.shape[1])
    rows_P = row_P[np.argsort(query_P, kind="stable")]
    return np.split(rows_P, np.cumsum(np.bincount(query_P, minlength=scores_MQ.shape[1]))[:-1])


def scan(user_QD: np.ndarray, item_ND: np.ndarray, rows_M: np.ndarray | None, k: int) -> Found:
    """The k best of some rows by the exact scores of all of them, the slowest way.

    Args:
        user_QD: vectors of the queries.
        item_ND: vectors of all items.
        rows_M: rows that may be found, in order; None for all.
        k: number of results, at most M.
    """
    kept_MD = item_ND if rows_M is None else item_ND[rows_M]
    rows_QK, scores_QK = nothing_found(len(user_QD), k)
    at_once = max(1, SCORES_AT_ONCE // max(1, len(kept_MD)))
    for start in range(0, len(user_QD), at_once):
        scores_QM = np.einsum("md,qd->qm", kept_MD, user_QD[start : start + at_once])
        for query, scores_M in enumerate(scores_QM, start):
            best_K = best_rows(scores_M, k)
            rows_QK[query] = best_K if rows_M is None else rows_M[best_K]
            scores_QK[query] = scores_M[best_K]
    return rows_QK, scores_QK
