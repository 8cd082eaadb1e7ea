"""Index recall of the searcher that serves: the share of the truly best items that it finds, with and without filters.

Legend: Q users, N items, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from serving.corpus import Corpus
from serving.index.exact import best_rows

K = (20, 220)
"""Items of an answer, and of an answer with a history of 200 items to leave out or re-score."""


def recall_rows(corpus: Corpus, user_QD: np.ndarray, filters: Iterable[str | None]) -> Iterator[str]:
    """Yield a row of Markdown for each filter.

    Args:
        corpus: the items, with the searcher that serves.
        user_QD: vectors of users.
        filters: filters; None for all items.
    """
    for where in filters:
        allowed_N = corpus.matches(where)
        kept = 1.0 if allowed_N is None else float(allowed_N.mean())
        found = " | ".join(f"{recall(corpus, user_QD, k, allowed_N):.4f}" for k in K)
        yield f"| {where or ''} | {kept:.1%} | {found} |"


def recall(corpus: Corpus, user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None) -> float:
    """Mean recall of single searches against one product with all vectors.

    Args:
        corpus: the items, with the searcher that serves.
        user_QD: vectors of users.
        k: number of items.
        allowed_N: items that may be found; None for all.
    """
    item_ND = corpus.searcher.vectors(np.arange(len(corpus.ids)))
    shares = []
    for user_1D in user_QD[:, None]:
        found = corpus.searcher.search(user_1D, k, allowed_N)[0][0]
        score_N = item_ND @ user_1D[0]
        if allowed_N is not None:
            score_N[~allowed_N] = -np.inf
        wanted = best_rows(score_N, k)
        shares.append(np.isin(wanted[np.isfinite(score_N[wanted])], found).mean())
    return float(np.mean(shares))
