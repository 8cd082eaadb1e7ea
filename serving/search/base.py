"""The contract of a searcher: the best items of one release for a user, as rows.

Ids are sorted, and row n is the item ids[n]. Scores are inner products in float32. The best items come first, and of
equal scores the lower row.

Legend: N items, Q queries, K results, D dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

Found = tuple[np.ndarray, np.ndarray]
"""(item rows int32 [Q, K], their scores float32 [Q, K]); -1 and -inf where there is no further item."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Dropped:
    """Items that some queries must not get."""

    query_P: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    """Query of each pair, of P pairs."""
    row_P: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    """Its row of the corpus."""

    @property
    def most(self) -> int:
        """Most items of one query."""
        return int(np.bincount(self.query_P).max(initial=0))

    def of(self, query: int) -> np.ndarray:
        """Rows of one query."""
        rows: np.ndarray = self.row_P[self.query_P == query]
        return rows


NO_PAIRS = Dropped()


class Searcher(Protocol):
    """Search over the vectors of one release."""

    ids: list[str]
    """Item ids, sorted."""

    def search(
        self, user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None = None, dropped: Dropped = NO_PAIRS
    ) -> Found:
        """Find the k best items of each query.

        Args:
            user_QD: vectors of the queries.
            k: number of items; -1 fills the ranks for which there is none.
            allowed_N: bool, items that any query may get; None for all.
            dropped: items that a query must not get.

        Raises:
            ValueError: a wrong shape, a value that is not finite, or k below 1.
        """

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Vectors of rows of any shape: float32 [..., D]."""


def checked_queries(user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None, *, items: int, dim: int) -> np.ndarray:
    """Check the arguments of a search and return its queries as float32.

    Args:
        user_QD: vectors of the queries.
        k: number of items wanted.
        allowed_N: items that may be found; None for all.
        items: number of items of the searcher.
        dim: width of its vectors.

    Raises:
        ValueError: a wrong shape, a value that is not finite, or k below 1.
    """
    if k < 1:
        raise ValueError(f"k is {k:,}, wanted at least 1")
    if user_QD.ndim != 2 or user_QD.shape[1] != dim:
        raise ValueError(f"query vectors of shape {user_QD.shape}: the items have {dim} dimensions")
    if not np.isfinite(user_QD).all():
        raise ValueError(
            f"{(~np.isfinite(user_QD).all(axis=1)).sum():,} of {len(user_QD):,} query vectors are not finite"
        )
    if allowed_N is not None and (allowed_N.shape != (items,) or allowed_N.dtype != np.bool_):
        raise ValueError(f"allowed items {allowed_N.dtype} {allowed_N.shape}: wanted bool ({items},)")
    return np.ascontiguousarray(user_QD, dtype=np.float32)


def nothing_found(queries: int, k: int) -> Found:
    """Results without any item."""
    return np.full((queries, k), -1, np.int32), np.full((queries, k), -np.inf, np.float32)


def first_kept(found: Found, k: int, dropped: Dropped, items: int) -> Found:
    """First k items of each query without those that it must not get.

    Args:
        found: items as of a search that was deep enough.
        k: number of items.
        dropped: items that a query must not get.
        items: number of items of the searcher.
    """
    rows_QC, scores_QC = found
    pairs_QC = np.arange(len(rows_QC))[:, None] * items + rows_QC
    left_QC = (rows_QC >= 0) & ~np.isin(pairs_QC, dropped.query_P * items + dropped.row_P)
    order_QK = np.argsort(~left_QC, axis=1, kind="stable")[:, :k]
    there_QK = np.take_along_axis(left_QC, order_QK, axis=1)
    rows_QK = np.where(there_QK, np.take_along_axis(rows_QC, order_QK, axis=1), -1).astype(np.int32)
    scores_QK = np.where(there_QK, np.take_along_axis(scores_QC, order_QK, axis=1), -np.inf)
    return rows_QK, scores_QK.astype(np.float32)
