"""EASE: the linear autoencoder in closed form. b users of a block, U users, N items, n of them kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from training.baselines.log import Log
from training.baselines.popular import popularity_order
from training.retrieval.exact import Scores

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ROWS_AT_ONCE = 256
"""Users or items of a product at a time."""
MAX_ITEMS = 20_000
"""A matrix of this side takes 3.2 GB in float64, and minutes to invert."""


def ease(
    log: Log,
    *,
    asked: Log | None = None,
    regularization: float = 500.0,
    min_users: int = 1,
    max_items: int = MAX_ITEMS,
) -> Scores:
    """EASE [Steck, WWW 2019]: scores(u) = x_u B, where B [n, n] is the minimum of |X - XB|² + lambda |B|² with a zero
    diagonal, X [U, n] the binary histories.

    Closed form: with P = (X'X + lambda I)^-1, B_ij = -P_ij / P_jj off the diagonal: x_u B = x_u - x_u P / diag P.
    Where there are fewer users than items the same comes from a matrix of the users, for XP = (XX' + lambda I)^-1 X:
    a corpus of 92,331 items then costs no more than its 2,469 users.

    Only items with at least `min_users` users are learned from and scored; all others follow by popularity, never-sold
    ones last. That makes EASE usable where both users and items are many. A user without a kept item gets popularity.
    The defaults were chosen as those of `user_knn` (lambda 50 to 2,500, at least 1 to 10 users).

    Raises:
        ValueError: the matrix to invert, of the side min(U, n), is larger than `max_items`.
    """
    bought = log.histories()
    users_N = np.bincount(bought.indices, minlength=log.items)
    kept_n, order_N = np.flatnonzero(users_N >= max(min_users, 1)), popularity_order(log)
    history = bought[:, kept_n]
    if min(history.shape) > max_items:
        raise ValueError(
            f"got {log.users:,} users and {len(kept_n):,} items with at least {min_users} users; wanted at most "
            f"{max_items:,} of one of them, as a matrix of that side is inverted in memory (8 bytes a cell): raise "
            "min_users, or max_items where there is more memory"
        )
    own = asked.histories()[:, kept_n] if asked else history
    by_users = history.shape[0] < history.shape[1]
    projection, diagonal_n = (_by_users if by_users else _by_items)(history, own, regularization)
    empty_U = np.diff(own.indptr) == 0

    def scores(user_rows: np.ndarray) -> np.ndarray:
        scores_bn = own[user_rows].toarray() - projection(user_rows) / diagonal_n
        scores_bN = order_N - 1 + scores_bn.min(axis=1, keepdims=True, initial=0)  # below all that are kept
        scores_bN[:, kept_n] = scores_bn
        scores_bN[empty_U[user_rows]] = order_N
        return scores_bN

    return scores


Projection = Callable[[np.ndarray], np.ndarray]
"""User rows [b] -> their rows of AP, dense [b, n], A being the histories that are asked about."""


def _by_items(history: csr_array, own: csr_array, regularization: float) -> tuple[Projection, np.ndarray]:
    """AP and diag P [n] from the items' matrix; own: A."""
    inverse_nn = _inverse(history.T.tocsr(), regularization)
    return lambda user_rows: own[user_rows] @ inverse_nn, inverse_nn.diagonal()


def _by_users(history: csr_array, own: csr_array, regularization: float) -> tuple[Projection, np.ndarray]:
    """The same from the users' matrix K = (XX' + lambda I)^-1: P = (I - X'KX) / lambda, so that XP = KX."""
    inverse_UU, items_nU = _inverse(history, regularization), history.T.tocsr()

    def projection(user_rows: np.ndarray) -> np.ndarray:
        return (items_nU @ inverse_UU[user_rows].T).T

    def projection_of_others(user_rows: np.ndarray) -> np.ndarray:
        weights_bU = (own[user_rows] @ items_nU).toarray() @ inverse_UU
        return (own[user_rows].toarray() - (items_nU @ weights_bU.T).T) / regularization

    leverage_n = np.zeros(history.shape[1])
    for rows in np.split(np.arange(history.shape[0]), range(ROWS_AT_ONCE, history.shape[0], ROWS_AT_ONCE)):
        leverage_n += history[rows].multiply(projection(rows)).sum(axis=0)
    return projection if own is history else projection_of_others, (1 - leverage_n) / regularization


def _inverse(rows: csr_array, regularization: float) -> np.ndarray:
    """(AA' + lambda I)^-1 of a sparse A, dense, with no second matrix of that size in memory."""
    from scipy.linalg import inv

    side = rows.shape[0]
    gram = np.empty((side, side), order="F")  # the order in which LAPACK works in place
    for start in range(0, side, ROWS_AT_ONCE):
        gram[:, start : start + ROWS_AT_ONCE] = (rows @ rows[start : start + ROWS_AT_ONCE].T).toarray()
    gram[np.diag_indices(side)] += regularization
    return inv(gram, overwrite_a=True, check_finite=False)
