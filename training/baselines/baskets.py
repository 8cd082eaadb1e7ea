"""Baskets of a log: the items that a user took on one day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.baselines.log import Log


@dataclass(frozen=True, kw_only=True, eq=False)
class Baskets:
    """Distinct items of every basket."""

    log: Log
    """One interaction for each user, day and item; `days` is whole."""
    ranks: np.ndarray
    """Rank of each interaction's basket among those of its user, 0 for the newest."""
    counts_U: np.ndarray
    """Number of baskets of each user."""


def baskets(log: Log) -> Baskets:
    """Baskets of a log, by whole days counted back from the cut."""
    day = np.floor(log.days).astype(np.int64)
    span = day.max(initial=0) + 1
    # Sorted keys put the baskets of a user together, the newest first.
    found, basket = np.unique(log.user_rows.astype(np.int64) * span + day, return_inverse=True)
    counts_U = np.bincount(found // span, minlength=log.users)
    ranks = np.arange(len(found)) - (np.cumsum(counts_U) - counts_U)[found // span]
    basket, item_rows = np.divmod(np.unique(basket * log.items + log.item_rows), log.items)
    user_rows, day = np.divmod(found[basket], span)
    distinct = Log(user_rows=user_rows, item_rows=item_rows, days=day.astype(float), users=log.users, items=log.items)
    return Baskets(log=distinct, ranks=ranks[basket], counts_U=counts_U)
