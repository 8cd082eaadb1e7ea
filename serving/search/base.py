"""The contract of a searcher: the best items of one release for a user, as rows.

Ids are sorted, and row n is the item ids[n]. Scores are inner products in float32. The best items come first, and of
equal scores the lower row.

Legend: N items, Q queries, K results, D dimensions.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

Found = tuple[np.ndarray, np.ndarray]
"""(item rows int32 [Q, K], their scores float32 [Q, K]); -1 and -inf where there is no further item."""


class Searcher(Protocol):
    """Search over the vectors of one release."""

    ids: list[str]
    """Item ids, sorted."""

    def search(self, user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None = None) -> Found:
        """Find the k best items of each query.

        Args:
            user_QD: vectors of the queries.
            k: number of items; -1 fills the ranks for which there is none.
            allowed_N: bool, items that may be found; None for all.

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
