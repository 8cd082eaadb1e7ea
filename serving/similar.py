"""Items whose embeddings are nearest to that of an item.

Legend: D dimensions, K results, N items.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from serving.answer import Recommended
from serving.corpus import Corpus


def similar_items(
    corpus: Corpus, item_id: str, k: int, *, where: str | None = None, left_out: Collection[str] = ()
) -> tuple[Recommended, ...]:
    """Find the items of the highest cosine with an item, best first.

    Args:
        corpus: items of the release.
        item_id: the item, which is not in the answer.
        k: number of items.
        where: filter, in the grammar of `serving.index.filters`; None for all items.
        left_out: further items that are not in the answer.

    Raises:
        LookupError: the release does not have the item.
        FilterError: the filter cannot be used.
    """
    row = corpus.row(item_id)
    if row is None:
        raise LookupError(f"the release has no item {item_id!r}")
    matches_N = corpus.matches(where)
    allowed_N = np.ones(len(corpus.ids), bool) if matches_N is None else matches_N.copy()
    allowed_N[corpus.rows({item_id, *left_out})] = False
    query_1D = directions(corpus.searcher.vectors(np.array([row])))
    rows_1K, scores_1K = corpus.searcher.search(query_1D, k, allowed_N)
    return corpus.recommended(rows_1K[0], scores_1K[0])


def directions(vectors_ND: np.ndarray) -> np.ndarray:
    """Unit vectors of items without the coordinate of an item prior, where they have one."""
    with_prior_N = np.abs(np.linalg.norm(vectors_ND, axis=1) - 1) >= 1e-3
    # The prior says how popular an item is, not what it is like.
    found_ND = vectors_ND.copy()
    found_ND[with_prior_N, -1] = 0
    return found_ND
