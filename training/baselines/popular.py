"""Popularity baselines, for everybody and for the user's own items.

Every baseline here is a function of the log that returns `Scores`: user rows [b] to [b,
N].

Legend: b users of a block, N items.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.baselines.log import Log
from training.retrieval.exact import Scores

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RECENT_DAYS = 28.0
"""Days that `recent_popularity` counts."""
HALF_LIFE_DAYS = 90.0
"""Days after which `personal_recency` counts an interaction half."""


def popularity(log: Log) -> Scores:
    """Items by interactions (events, not distinct users), the same for everybody."""
    return _same_for_all(popularity_order(log))


def recent_popularity(log: Log, *, days: float = RECENT_DAYS) -> Scores:
    """Items by interactions in the last `days`, ties by overall popularity."""
    recent_N = np.bincount(log.item_rows[log.days <= days], minlength=log.items)
    return _same_for_all(recent_N + popularity_order(log))


def personal_frequency(log: Log, *, asked: Log | None = None) -> Scores:
    """The user's own items by interactions; then all others by popularity.

    Ties of own items are broken by popularity.

    Args:
        log: interactions to learn from.
        asked: histories of the users when they are asked for; None for those of `log`.
    """
    return filled_up((asked or log).matrix(), popularity_order(log))


def personal_recency(log: Log, *, asked: Log | None = None, half_life: float = HALF_LIFE_DAYS) -> Scores:
    """The user's own items by decayed interactions; then all others by popularity.

    The default half-life was chosen on two weeks inside the training part of
    completejourney, from 14 to 365 days.

    Args:
        log: interactions to learn from.
        asked: histories of the users when they are asked for; None for those of `log`.
        half_life: days after which an interaction counts half.
    """
    own = asked or log
    return filled_up(own.matrix(0.5 ** (own.days / half_life)), popularity_order(log))


def popularity_order(log: Log) -> np.ndarray:
    """Popularity as a strict order in [0, 1): float64 [N].

    Ties go by item row, those of never-sold items too. Added to whole-numbered scores,
    the order breaks their ties and changes nothing else.
    """
    order = np.argsort(-np.bincount(log.item_rows, minlength=log.items), kind="stable")
    order_N = np.empty(log.items)
    order_N[order] = np.arange(log.items)[::-1] / log.items
    return order_N


def filled_up(own: csr_array, order_N: np.ndarray) -> Scores:
    """Scores with a user's own items first, then all others in the given order.

    Args:
        own: scores above 0 of each user's items, [U, N]; only stored entries count.
        order_N: order of all items in [0, 1).
    """

    def scores(user_rows: np.ndarray) -> np.ndarray:
        scores_bN = np.tile(order_N, (len(user_rows), 1))
        # 1 more than the score puts every own item above the order, which stays below
        # 1.
        mine = own[user_rows].tocoo()
        scores_bN[mine.row, mine.col] += mine.data + 1
        return scores_bN

    return scores


def voted_first(votes_bN: np.ndarray, order_N: np.ndarray) -> np.ndarray:
    """Scores with voted items first, then all others in the given order: [b, N].

    Args:
        votes_bN: votes, above 0 for voted items; written over.
        order_N: order of all items in [0, 1).
    """
    # Votes can be far below 1 and differ by little: adding the order would change their
    # order.
    np.copyto(votes_bN, order_N - 1, where=votes_bN <= 0)
    # The search reads rows, which are not contiguous where votes come from a transpose.
    return np.ascontiguousarray(votes_bN)


def _same_for_all(scores_N: np.ndarray) -> Scores:
    return lambda user_rows: np.tile(scores_N, (len(user_rows), 1))
