"""Baselines that a two-tower model has to beat: each learns from a `Log` and is scored by the same protocol."""

from __future__ import annotations

from functools import partial

import numpy as np

from training.baselines.collaborative import als, item_knn
from training.baselines.log import Log
from training.baselines.popular import personal_frequency, personal_recency, popularity, recent_popularity
from training.evaluate.search import MakeSearch, Scores, score_search

__all__ = [
    "Log",
    "als",
    "baseline_search",
    "fit_baselines",
    "item_knn",
    "personal_frequency",
    "personal_recency",
    "popularity",
    "recent_popularity",
]


def fit_baselines(log: Log, *, seed: int) -> dict[str, Scores]:
    """All baselines by name, fitted with their default settings."""
    return {
        "popularity": popularity(log),
        "recent_popularity": recent_popularity(log),
        "personal_frequency": personal_frequency(log),
        "personal_recency": personal_recency(log),
        "item_knn": item_knn(log),
        "als": als(log, seed=seed),
    }


def baseline_search(scores: Scores, users_Q: np.ndarray) -> MakeSearch:
    """A baseline as `evaluate` wants it; `users_Q` is the user row of each query of the hold-out."""
    return partial(score_search, lambda rows: scores(users_Q[rows]))
