"""Popularity baselines, for everybody and for the user's own items.

b users of a block, N items. Every baseline here is a function of the log that gives `Scores`: user rows [b] -> [b, N].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.baselines.log import Log
from training.retrieval.exact import Scores

if TYPE_CHECKING:
    from scipy.sparse import csr_array

RECENT_DAYS = 28.0
HALF_LIFE_DAYS = 90.0


def popularity(log: Log) -> Scores:
    """Items by interactions (events, not distinct users), the same for everybody."""
    return _same_for_all(popularity_order(log))


def recent_popularity(log: Log, *, days: float = RECENT_DAYS) -> Scores:
    """Items by interactions in the last `days`; those without any follow by overall popularity."""
    recent_N = np.bincount(log.item_rows[log.days <= days], minlength=log.items)
    return _same_for_all(recent_N + popularity_order(log))


def personal_frequency(log: Log, *, asked: Log | None = None) -> Scores:
    """The user's own items by how often, equal ones by popularity; then all others by popularity."""
    return filled_up((asked or log).matrix(), popularity_order(log))


def personal_recency(log: Log, *, asked: Log | None = None, half_life: float = HALF_LIFE_DAYS) -> Scores:
    """As `personal_frequency`, but an interaction counts half as much after every `half_life` days.

    The default was chosen on two weeks inside the training part of completejourney (14 to 365 days).
    """
    own = asked or log
    return filled_up(own.matrix(0.5 ** (own.days / half_life)), popularity_order(log))


def popularity_order(log: Log) -> np.ndarray:
    """Popularity as a strict order in [0, 1): float64 [N]. Equally popular items, never-sold ones too, by item row.

    Added to whole-numbered scores it only breaks their ties.
    """
    order = np.argsort(-np.bincount(log.item_rows, minlength=log.items), kind="stable")
    places_N = np.empty(log.items)
    places_N[order] = np.arange(log.items)[::-1] / log.items
    return places_N


def filled_up(own: csr_array, order_N: np.ndarray) -> Scores:
    """A user's own scored items (stored entries, score > 0) first, then all others in the given order in [0, 1)."""

    def scores(user_rows: np.ndarray) -> np.ndarray:
        scores_bN = np.tile(order_N, (len(user_rows), 1))
        mine = own[user_rows].tocoo()
        scores_bN[mine.row, mine.col] += mine.data + 1
        return scores_bN

    return scores


def voted_first(votes_bN: np.ndarray, order_N: np.ndarray) -> np.ndarray:
    """Items with a vote (> 0) first, by the vote alone, then all others in the given order in [0, 1): float [b, N].

    Votes can be far below 1, and differ by little: the order must not be added to them. `votes_bN` is written over.
    """
    np.copyto(votes_bN, order_N - 1, where=votes_bN <= 0)
    return np.ascontiguousarray(votes_bN)  # search takes rows, which lie apart where votes come from a transpose


def _same_for_all(scores_N: np.ndarray) -> Scores:
    return lambda user_rows: np.tile(scores_N, (len(user_rows), 1))
