"""Merge of ranked items, as arrays.

Items are rows of the corpus in order of id. Higher scores come first, and among equal
scores the lower row, so the smaller id.

Legend: Q queries, K ranks, C candidates, L own items of a query, P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NOTHING = -1
"""Row where there is no further item; its score is -inf."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranked:
    """Items of queries, best first; ranks that stay empty come last."""

    rows_QK: np.ndarray
    """Rows of the corpus, int32, NOTHING where there is none."""
    scores_QK: np.ndarray
    """Their scores, float32, -inf where there is none."""


def best(rows_QC: np.ndarray, scores_QC: np.ndarray, k: int) -> Ranked:
    """Find the k best items of each query.

    Args:
        rows_QC: rows of the corpus in any order, each at most once in a query.
        scores_QC: their scores; items scored -inf are left out.
        k: number of ranks; fewer if there are fewer candidates.
    """
    order_QK = np.lexsort((rows_QC, -scores_QC))[:, :k]
    rows_QK, scores_QK = (np.take_along_axis(each, order_QK, axis=1) for each in (rows_QC, scores_QC))
    rows_QK = np.where(scores_QK == -np.inf, NOTHING, rows_QK)
    return Ranked(rows_QK=rows_QK.astype(np.int32), scores_QK=scores_QK.astype(np.float32))


def without(ranked: Ranked, query_P: np.ndarray, row_P: np.ndarray) -> Ranked:
    """Leave items out; their ranks stay empty where they are.

    Args:
        ranked: items of queries.
        query_P: query of each pair that is left out.
        row_P: its row of the corpus.
    """
    if not len(row_P):
        return ranked
    items = int(max(row_P.max(), ranked.rows_QK.max(initial=0))) + 1
    pairs_QK = np.arange(len(ranked.rows_QK))[:, None] * items + ranked.rows_QK
    left_QK = (ranked.rows_QK != NOTHING) & ~np.isin(pairs_QK, query_P * items + row_P)
    return Ranked(
        rows_QK=np.where(left_QK, ranked.rows_QK, NOTHING).astype(np.int32),
        scores_QK=np.where(left_QK, ranked.scores_QK, -np.inf).astype(np.float32),
    )


def with_own(hits: Ranked, own: Ranked, k: int) -> Ranked:
    """Merge hits of the index with items of the query's own, whose scores replace those of the index.

    Args:
        hits: items by the index, deep enough that k are left without the own ones.
        own: items with scores of their own, in any order.
        k: number of ranks.
    """
    query_P, position_P = np.nonzero(own.rows_QK != NOTHING)
    others = without(hits, query_P, own.rows_QK[query_P, position_P])
    rows_QC = np.concatenate([others.rows_QK, own.rows_QK], axis=1)
    return best(rows_QC, np.concatenate([others.scores_QK, own.scores_QK], axis=1), k)


def reordered(hits: Ranked, scores_QC: np.ndarray, k: int) -> Ranked:
    """Order the first C hits by new scores; the others follow as they were.

    Args:
        hits: items by the index, empty ranks last.
        scores_QC: new scores of the first C.
        k: number of ranks.
    """
    first = scores_QC.shape[1]
    found_QC = hits.rows_QK[:, :first]
    candidates = best(found_QC, np.where(found_QC == NOTHING, -np.inf, scores_QC), first)
    rows_QK = np.concatenate([candidates.rows_QK, hits.rows_QK[:, first:]], axis=1)[:, :k]
    scores_QK = np.concatenate([candidates.scores_QK, hits.scores_QK[:, first:]], axis=1)[:, :k]
    return Ranked(rows_QK=rows_QK, scores_QK=scores_QK)
