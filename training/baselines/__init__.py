"""Baselines that a two-tower model has to beat: each learns from a `Log` and is scored by the same protocol.

Those that look at the user's own history take another log as `asked`: the same users and items, but what is known of
each user when it is asked, with days before that. Only the user's own history is then another one; neighbours,
relations between items and popularity stay those of the log that was learned from.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from training.baselines.collaborative import als, item_knn
from training.baselines.ease import ease
from training.baselines.log import Log
from training.baselines.neighbours import tifu_knn, up_cf, user_knn
from training.baselines.popular import personal_frequency, personal_recency, popularity, recent_popularity
from training.retrieval.exact import MakeSearch, Scores, score_search

__all__ = [
    "Log",
    "als",
    "baseline_search",
    "ease",
    "fit_baselines",
    "item_knn",
    "personal_frequency",
    "personal_recency",
    "popularity",
    "recent_popularity",
    "tifu_knn",
    "up_cf",
    "user_knn",
]
EASE_SIDE = 10_000
"""EASE is fitted along with the others where it inverts a matrix of at most this side: half a minute, 0.8 GB."""


def fit_baselines(log: Log, *, seed: int) -> dict[str, Scores]:
    """All baselines by name, fitted with their default settings; without `ease` where users and items are too many."""
    scores = {
        "popularity": popularity(log),
        "recent_popularity": recent_popularity(log),
        "personal_frequency": personal_frequency(log),
        "personal_recency": personal_recency(log),
        "item_knn": item_knn(log),
        "als": als(log, seed=seed),
        "user_knn": user_knn(log),
        "up_cf": up_cf(log),
        "tifu_knn": tifu_knn(log),
    }
    sold = len(np.unique(log.item_rows))
    return scores | ({"ease": ease(log)} if min(log.users, sold) <= EASE_SIDE else {})


def baseline_search(scores: Scores, users_Q: np.ndarray) -> MakeSearch:
    """A baseline as `evaluate` wants it; `users_Q` is the user row of each query of the hold-out."""
    return partial(score_search, lambda rows: scores(users_Q[rows]))
