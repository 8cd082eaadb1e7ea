"""Exact search: the best k items of the whole corpus by score, under masks.

Scores come in blocks of queries and items, so that memory stays bounded, and each
block is scored once for all masks. Ties are broken as `training.retrieval.ranking` says.

Legend: Q queries, N corpus items, D embedding width, b queries and n items of a block.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.retrieval.ranking import Ranked, merged, ranked

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Search = Callable[[np.ndarray, int], np.ndarray]
"""(query rows [q], k) -> item rows int32 [q, k], best first, -1 where there is no further item."""
Scores = Callable[[np.ndarray], np.ndarray]
"""Query rows [b] -> scores [b, N], float, a fresh array that the caller may change."""
Parts = Callable[[np.ndarray], Iterator[np.ndarray]]
"""Query rows [b] -> scores [b, n] of consecutive parts of the corpus, fresh arrays."""
SCORES_AT_ONCE = 4_000_000
"""Scores of a block: 16 MB in float32. Larger arrays are mapped anew each time, which takes longer than scoring."""
PAIRS_AT_ONCE = 100_000
"""Pairs of a block: two vectors are copied for each."""
ITEMS_AT_ONCE = 500_000
"""Items of a block: at so many a block still has 8 queries for each pass over the item vectors."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Mask:
    """Items that a search must not return."""

    exclude: csr_array | None = None
    """[Q, N], an entry for each item that a query must not get."""
    corpus: np.ndarray | None = None
    """bool [N], the items that any query may get; None: all."""


class MakeSearch(ABC):
    """Search whose masks are still open."""

    @abstractmethod
    def lists(self, rows: np.ndarray, k: int, masks: Sequence[Mask]) -> list[np.ndarray]:
        """Lists under each mask, every query scored once.

        Args:
            rows: query rows [q].
            k: length of the lists.
            masks: one for each result.

        Returns:
            For each mask item rows int32 [q, k], as of a `Search`.
        """

    def __call__(self, *, exclude: csr_array | None = None, corpus: np.ndarray | None = None) -> Search:
        """Search under one mask."""
        mask = Mask(exclude=exclude, corpus=corpus)
        return lambda rows, k: self.lists(rows, k, [mask])[0]


@dataclass(frozen=True, eq=False)
class BlockSearch(MakeSearch):
    """Search over scores that come in parts of the corpus."""

    parts: Parts

    def lists(self, rows: np.ndarray, k: int, masks: Sequence[Mask]) -> list[np.ndarray]:
        found = [np.full((len(rows), k), -1, dtype=np.int32) for _ in masks]
        start, size = 0, 1  # the first query shows how wide the parts are
        while start < len(rows):
            block = rows[start : start + size]
            best, width = self._block(block, k, masks)
            for list_qk, (ids, _) in zip(found, best, strict=True):
                list_qk[start : start + size, : ids.shape[1]] = ids
            start, size = start + size, max(1, SCORES_AT_ONCE // width)
        return found

    def _block(self, rows: np.ndarray, k: int, masks: Sequence[Mask]) -> tuple[list[Ranked], int]:
        """The best of a block of queries under each mask; the widest part's width."""
        best: list[Ranked] = []
        first = width = 0
        for scores_bn in self.parts(rows):
            of_part = [_masked(scores_bn, rows, first, k, mask) for mask in masks]
            best = [merged(*pair, k) for pair in zip(best, of_part, strict=True)] if best else of_part
            first, width = first + scores_bn.shape[1], max(width, scores_bn.shape[1])
        return best, max(width, 1)


def score_search(scores: Scores) -> MakeSearch:
    """Search by any scoring function over the whole corpus at once."""
    return BlockSearch(lambda rows: iter([scores(rows)]))


def exact_search(user_QD: np.ndarray, item_ND: np.ndarray) -> MakeSearch:
    """Search by inner product."""
    return BlockSearch(lambda rows: (user_QD[rows] @ item_ND[part].T for part in item_parts(len(item_ND))))


def pair_products(user_QD: np.ndarray, item_ND: np.ndarray, query_P: np.ndarray, item_P: np.ndarray) -> np.ndarray:
    """Inner products of pairs, float [P].

    Args:
        user_QD: embeddings of the queries.
        item_ND: embeddings of the corpus.
        query_P: query row of each pair.
        item_P: item row of each pair.
    """
    blocks = [slice(start, start + PAIRS_AT_ONCE) for start in range(0, len(query_P), PAIRS_AT_ONCE)]
    parts = [np.einsum("pd,pd->p", user_QD[query_P[block]], item_ND[item_P[block]]) for block in blocks]
    return np.concatenate([*parts, user_QD[:0, 0]])


def item_parts(items: int) -> list[slice]:
    """The corpus in blocks of at most ITEMS_AT_ONCE items."""
    return [slice(start, min(start + ITEMS_AT_ONCE, items)) for start in range(0, items, ITEMS_AT_ONCE)]


def _masked(scores_bn: np.ndarray, rows: np.ndarray, first: int, k: int, mask: Mask) -> Ranked:
    """The best of one block under a mask. The scores stay as they are.

    `first` is the corpus row of the first item.
    """
    items = slice(first, first + scores_bn.shape[1])
    row, column = _forbidden(mask.exclude, rows, items)
    kept = scores_bn[row, column]
    scores_bn[row, column] = -np.inf
    if mask.corpus is None:
        ids, best = ranked(scores_bn, k)
    else:
        allowed = np.flatnonzero(mask.corpus[items])
        columns, best = ranked(np.take(scores_bn, allowed, axis=1), k)
        ids = np.where(columns < 0, -1, allowed[columns]) if len(allowed) else columns
    scores_bn[row, column] = kept
    return np.where(ids < 0, -1, ids + first), best


def _forbidden(exclude: csr_array | None, rows: np.ndarray, items: slice) -> tuple[np.ndarray, np.ndarray]:
    """(row, column) of the excluded entries of a block."""
    if exclude is None:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    every = exclude[rows].tocoo()
    inside = (every.col >= items.start) & (every.col < items.stop)
    return every.row[inside], every.col[inside] - items.start
