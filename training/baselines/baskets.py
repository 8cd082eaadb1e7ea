"""The log as baskets: what a user took on one day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.baselines.log import Log


@dataclass(frozen=True, kw_only=True, eq=False)
class Baskets:
    """Every item of every basket, once.

    log: one interaction for each user, day and item; `days` is whole. places: of the interaction's basket among those
    of its user, 0 for the newest. counts_U: baskets of each user.
    """

    log: Log
    places: np.ndarray
    counts_U: np.ndarray


def baskets(log: Log) -> Baskets:
    """A user's basket is the set of items of one day, counted back from the cut: floor(days)."""
    day = np.floor(log.days).astype(np.int64)
    span = day.max(initial=0) + 1
    # Sorted, the baskets of a user stand together, the newest first.
    found, basket = np.unique(log.user_rows.astype(np.int64) * span + day, return_inverse=True)
    counts_U = np.bincount(found // span, minlength=log.users)
    places = np.arange(len(found)) - (np.cumsum(counts_U) - counts_U)[found // span]
    basket, item_rows = np.divmod(np.unique(basket * log.items + log.item_rows), log.items)
    user_rows, day = np.divmod(found[basket], span)
    distinct = Log(user_rows=user_rows, item_rows=item_rows, days=day.astype(float), users=log.users, items=log.items)
    return Baskets(log=distinct, places=places[basket], counts_U=counts_U)
