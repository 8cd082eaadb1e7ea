"""EASE: the linear autoencoder in closed form.

Legend: b users of a block, U users, N items, n of them kept.
"""

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
"""Largest side of the matrix to invert: 3.2 GB in float64, and minutes of work."""


def ease(
    log: Log,
    *,
    asked: Log | None = None,
    regularization: float = 500.0,
    min_users: int = 1,
    max_items: int = MAX_ITEMS,
) -> Scores:
    """EASE [Steck, WWW 2019]: scores(u) = x_u B.

    B [n, n] is the minimum of |X - XB|² + lambda |B|² with a zero diagonal, X [U, n]
    the binary histories. In closed form, with P = (X'X + lambda I)^-1, B_ij = -P_ij /
    P_jj off the diagonal, so that x_u B = x_u - x_u P / diag P. With fewer users than
    items, XP is computed from a matrix of the users, as XP = (XX' + lambda I)^-1 X:
    92,331 items of 2,469 users then cost an inverse of side 2,469.

    Kept items have at least `min_users` users. All others follow by popularity,
    never-sold items last. A user without a kept item gets popularity. The defaults were
    chosen on two weeks inside the training part of completejourney: lambda 50 to 2,500,
    min_users 1 to 10.

    Args:
        log: interactions to learn from.
        asked: histories of the users when they are asked for; None for those of `log`.
        regularization: lambda.
        min_users: users that a kept item has at least.
        max_items: largest side min(U, n) of the matrix to invert.

    Raises:
        ValueError: the matrix to invert is larger than `max_items`.
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
    # Both sides give the same scores; the smaller matrix is inverted.
    by_users = history.shape[0] < history.shape[1]
    projection, diagonal_n = (_by_users if by_users else _by_items)(history, own, regularization)
    empty_U = np.diff(own.indptr) == 0

    def scores(user_rows: np.ndarray) -> np.ndarray:
        scores_bn = own[user_rows].toarray() - projection(user_rows) / diagonal_n
        # All others score below the lowest kept item.
        scores_bN = order_N - 1 + scores_bn.min(axis=1, keepdims=True, initial=0)
        scores_bN[:, kept_n] = scores_bn
        scores_bN[empty_U[user_rows]] = order_N
        return scores_bN

    return scores


Projection = Callable[[np.ndarray], np.ndarray]
"""User rows [b] to their rows of AP, dense [b, n]; A is the histories asked about."""


def _by_items(history: csr_array, own: csr_array, regularization: float) -> tuple[Projection, np.ndarray]:
    """AP and diag P [n] from the matrix of the items.

    Args:
        history: X.
        own: a.
        regularization: lambda.
    """
    inverse_nn = _inverse(history.T.tocsr(), regularization)
    return lambda user_rows: own[user_rows] @ inverse_nn, inverse_nn.diagonal()


def _by_users(history: csr_array, own: csr_array, regularization: float) -> tuple[Projection, np.ndarray]:
    """AP and diag P [n] from K = (XX' + lambda I)^-1, the matrix of the users.

    P = (I - X'KX) / lambda, so that XP = KX.

    Args:
        history: X.
        own: a.
        regularization: lambda.
    """
    inverse_UU, items_nU = _inverse(history, regularization), history.T.tocsr()

    def projection(user_rows: np.ndarray) -> np.ndarray:
        return (items_nU @ inverse_UU[user_rows].T).T

    def projection_of_others(user_rows: np.ndarray) -> np.ndarray:
        weights_bU = (own[user_rows] @ items_nU).toarray() @ inverse_UU
        return (own[user_rows].toarray() - (items_nU @ weights_bU.T).T) / regularization

    # The diagonal of X'KX in blocks of users: the whole product would be [n, n].
    leverage_n = np.zeros(history.shape[1])
    for rows in np.split(np.arange(history.shape[0]), range(ROWS_AT_ONCE, history.shape[0], ROWS_AT_ONCE)):
        leverage_n += history[rows].multiply(projection(rows)).sum(axis=0)
    return projection if own is history else projection_of_others, (1 - leverage_n) / regularization


def _inverse(rows: csr_array, regularization: float) -> np.ndarray:
    """(AA' + lambda I)^-1 of a sparse A, dense and computed in place."""
    from scipy.linalg import inv

    side = rows.shape[0]
    # LAPACK inverts in place only in Fortran's order.
    gram = np.empty((side, side), order="F")
    for start in range(0, side, ROWS_AT_ONCE):
        gram[:, start : start + ROWS_AT_ONCE] = (rows @ rows[start : start + ROWS_AT_ONCE].T).toarray()
    gram[np.diag_indices(side)] += regularization
    return inv(gram, overwrite_a=True, check_finite=False)
