"""Items whose embeddings are nearest to that of an item.

Legend: D dimensions, N items.
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
    query_D = _direction(corpus.searcher.vectors(np.array([row]))[0])
    rows_1K, scores_1K = corpus.searcher.search(query_D[None], k, allowed_N)
    return corpus.recommended(rows_1K[0], scores_1K[0])


def _direction(vector_D: np.ndarray) -> np.ndarray:
    """Unit vector of an item without the coordinate of an item prior, where it has one."""
    if abs(float(np.linalg.norm(vector_D)) - 1) < 1e-3:
        return vector_D
    # The prior says how popular an item is, not what it is like.
    return np.concatenate([vector_D[:-1], np.zeros(1, dtype=vector_D.dtype)])
