"""Log that every baseline learns from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID
from feature_repo.tables.snapshots import known_before

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    """Interactions before the cut, as aligned arrays."""

    user_rows: np.ndarray
    """User of each interaction, int."""
    item_rows: np.ndarray
    """Item of each interaction, int."""
    days: np.ndarray
    """Days before the cut, float: 0 is the cut, larger is older."""
    users: int
    """Number of user rows, users without an interaction included."""
    items: int
    """Number of item rows, items without an interaction included."""

    def __post_init__(self) -> None:
        if not len(self.user_rows) == len(self.item_rows) == len(self.days):
            got = (len(self.user_rows), len(self.item_rows), len(self.days))
            raise ValueError(f"got {got} user rows, item rows and days; wanted aligned arrays")
        if len(self.days) and self.days.min() < 0:
            raise ValueError(f"an interaction lies {-self.days.min():.2f} days after the cut; wanted only earlier ones")

    @classmethod
    def before(cls, events: pl.DataFrame, users: pl.Series, corpus: pl.Series, cut: datetime) -> Log:
        """Log of the events that happened and were known before a cut.

        Args:
            events: canonical events.
            users: user ids, in the order of the user rows.
            corpus: item ids, in the order of the item rows.
            cut: first time that is left out.

        Returns:
            The log, with days counted back from the cut.
        """
        known = known_before(events, cut)
        days = (pl.lit(cut) - pl.col("timestamp")).dt.total_seconds() / 86_400
        return cls(
            user_rows=known[USER_ID].replace_strict(users, np.arange(len(users))).to_numpy(),
            item_rows=known[ITEM_ID].replace_strict(corpus, np.arange(len(corpus))).to_numpy(),
            days=known.select(days).to_series().to_numpy(),
            users=len(users),
            items=len(corpus),
        )

    def matrix(self, weights: np.ndarray | None = None) -> csr_array:
        """Sum of weights by user and item: float64 [users, items].

        Args:
            weights: one for each interaction; None for counts.
        """
        from scipy.sparse import csr_array

        data = np.ones(len(self.days)) if weights is None else weights
        # implicit takes matrices with 32-bit indices only.
        rows = (self.user_rows.astype(np.int32), self.item_rows.astype(np.int32))
        return csr_array((data, rows), shape=(self.users, self.items))

    def histories(self) -> csr_array:
        """Items that each user took: float64 [users, items] of ones."""
        bought = self.matrix()
        bought.data[:] = 1
        return bought
