"""Exact search: the best k items of the whole corpus by score, under masks.

Q queries, N corpus items, D embedding width, B queries of one block.

**Ties.** Higher score first; among equal scores the lower item row first, also across the boundary at place k. Equal
means equal as computed: two items with the same embedding can still differ in the last bit of a matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    import torch
    from scipy.sparse import csr_array
Search = Callable[[np.ndarray, int], np.ndarray]
"""(query rows [q], k) -> item rows int32 [q, k], best first, -1 where there is no further item."""
Scores = Callable[[np.ndarray], np.ndarray]
"""Rows [b] -> scores [b, N], float, a fresh array that the caller may change."""
BLOCK = 256
"""Queries scored at a time: 256 x 100,000 items are 100 MB in float32."""


class MakeSearch(Protocol):
    """Binds masks to a search: `exclude` [Q, N], what a query must not get; `corpus` bool [N], what any may get."""

    def __call__(self, *, exclude: csr_array | None = None, corpus: np.ndarray | None = None) -> Search: ...


def top_k(scores_QN: np.ndarray, k: int) -> np.ndarray:
    """Item rows of the k highest scores, int32 [Q, k]; the tie rule is on top of this file.

    Items scored -inf are never returned; places that stay empty hold -1.

    Raises:
        ValueError: a NaN among the scores, or k < 1.
    """
    import torch

    if k < 1:
        raise ValueError(f"k = {k}; wanted at least 1")
    queries, items = scores_QN.shape
    places = min(k, items)
    scores = torch.from_numpy(scores_QN)
    # One place more than wanted shows whether place k ties with what was cut off.
    best, ids = torch.topk(scores, min(places + 1, items), dim=1)
    if best.isnan().any():  # topk ranks NaN first
        raise ValueError("scores contain NaN; check the embeddings")
    last = best[:, places - 1 : places]
    cut_off = best[:, places:]
    tied = ((cut_off == last) & (last > -torch.inf)).any(dim=1).nonzero().squeeze(1)
    best, ids = best[:, :places], ids[:, :places]
    for part in tied.split(32):  # few at a time: each row is copied
        ids[part] = _lowest_rows_among_ties(scores[part], last[part], places)
    ids = ids.sort(dim=1).values
    best = scores.gather(1, ids)
    order = best.argsort(dim=1, descending=True, stable=True)
    ids, best = ids.gather(1, order), best.gather(1, order)
    found = np.full((queries, k), -1, dtype=np.int32)
    found[:, :places] = ids.masked_fill(best == -torch.inf, -1).numpy()
    return found


def score_search(scores: Scores, *, exclude: csr_array | None = None, corpus: np.ndarray | None = None) -> Search:
    """Search by any scoring function, in blocks of 256 queries; `corpus` is bool [N]."""

    def search(rows: np.ndarray, k: int) -> np.ndarray:
        found = np.full((len(rows), k), -1, dtype=np.int32)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            found[start : start + BLOCK] = top_k(masked(scores(block), block, exclude, corpus), k)
        return found

    return search


def masked(scores_BN: np.ndarray, rows: np.ndarray, exclude: csr_array | None, corpus: np.ndarray | None) -> np.ndarray:
    """The same array with -inf wherever a mask forbids the item."""
    if corpus is not None:
        scores_BN[:, ~corpus] = -np.inf
    if exclude is not None:
        forbidden = exclude[rows].tocoo()
        scores_BN[forbidden.row, forbidden.col] = -np.inf
    return scores_BN


def exact_search(
    user_QD: np.ndarray, item_ND: np.ndarray, *, exclude: csr_array | None = None, corpus: np.ndarray | None = None
) -> Search:
    """Search by inner product over the whole corpus. `partial(exact_search, user_QD, item_ND)` is a `MakeSearch`."""
    return score_search(lambda rows: user_QD[rows] @ item_ND.T, exclude=exclude, corpus=corpus)


def _lowest_rows_among_ties(scores: torch.Tensor, last: torch.Tensor, places: int) -> torch.Tensor:
    """The `places` items with score above `last` or, as far as they fit, equal to it from the lowest row up."""
    import torch

    above, equal = scores > last, scores == last
    room = places - above.sum(dim=1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(dim=1, dtype=torch.int32) <= room))
    return chosen.nonzero()[:, 1].view(len(scores), places)
