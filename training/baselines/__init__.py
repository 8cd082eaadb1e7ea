"""Baselines that a two-tower model has to beat, scored by the same protocol.

Each learns from a `Log`. Baselines that read the user's own history accept a second
log, `asked`: the same users and items, with each user's interactions up to the time of
the query, and days counted back from that time. `asked` replaces only the user's own
history; neighbours, relations between items and popularity stay those of the first log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches

import numpy as np

from training.baselines.collaborative import als, item_knn
from training.baselines.ease import ease
from training.baselines.log import Log
from training.baselines.neighbours import tifu_knn, up_cf, user_knn
from training.baselines.popular import personal_frequency, personal_recency, popularity, recent_popularity
from training.retrieval.exact import MakeSearch, Scores, score_search

__all__ = [
    "BASELINES",
    "CHEAP_BASELINES",
    "Log",
    "als",
    "baseline_search",
    "check_baselines",
    "ease",
    "fit_baseline",
    "item_knn",
    "personal_frequency",
    "personal_recency",
    "popularity",
    "recent_popularity",
    "tifu_knn",
    "too_large",
    "up_cf",
    "user_knn",
]
_FITS: dict[str, Callable[..., Scores]] = {
    "popularity": popularity,
    "recent_popularity": recent_popularity,
    "personal_frequency": personal_frequency,
    "personal_recency": personal_recency,
    "item_knn": item_knn,
    "als": als,
    "user_knn": user_knn,
    "up_cf": up_cf,
    "tifu_knn": tifu_knn,
    "ease": ease,
}
BASELINES = tuple(_FITS)
"""Names of all baselines."""
CHEAP_BASELINES = ("popularity", "recent_popularity", "personal_frequency", "personal_recency")
"""Baselines that only count; each costs about one pass over the log."""
EASE_SIDE = 10_000
"""Side of the largest matrix that EASE inverts beside other baselines."""


def check_baselines(names: Sequence[str]) -> None:
    """Raise ValueError for a name that no baseline has."""
    if unknown := sorted(set(names) - set(BASELINES)):
        near = get_close_matches(unknown[0], BASELINES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"got the baselines {', '.join(unknown)}; wanted some of {', '.join(BASELINES)}{hint}")


def too_large(name: str, log: Log) -> str | None:
    """Reason why a baseline cannot be fitted to a log; None if it can."""
    side = min(log.users, len(np.unique(log.item_rows))) if name == "ease" else 0
    return f"ease would invert a matrix of side {side:,}, at most {EASE_SIDE:,} is tried" if side > EASE_SIDE else None


def fit_baseline(name: str, log: Log, *, seed: int) -> Scores:
    """Fit a baseline with its default settings.

    Args:
        name: one of BASELINES.
        log: interactions to learn from.
        seed: random seed of `als`; all others are deterministic.

    Returns:
        Scores of all items for rows of users.

    Raises:
        ValueError: a name that no baseline has.
    """
    check_baselines([name])
    return als(log, seed=seed) if name == "als" else _FITS[name](log)


def baseline_search(scores: Scores, users_Q: np.ndarray) -> MakeSearch:
    """Search by a baseline's scores; `users_Q` is the user row of each query."""
    return score_search(lambda rows: scores(users_Q[rows]))
