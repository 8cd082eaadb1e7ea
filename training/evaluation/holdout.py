"""What is held out: the queries, what they should retrieve, what they had before, and the views on it.

Q queries, N corpus items, U users, V queries of one view.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID

if TYPE_CHECKING:
    from scipy.sparse import csr_array
COLD_BELOW = 5
"""A user with fewer interactions before the cut is cold."""
ITEM_GROUPS = ("head_items", "torso_items", "tail_items")


HEAD_SHARE, TORSO_SHARE = 0.5, 0.8
"""Items by popularity: head makes up half of the interactions before the cut, torso the next 30 %, tail the rest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationView:
    """One way to look at retrieved lists: what counts as relevant, and whether seen items are masked.

    rows_V: the queries that have a relevant item in this view. relevant: [Q, N].
    """

    rows_V: np.ndarray
    relevant: csr_array
    seen_masked: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Holdout:
    """The hold-out as integer rows.

    users_Q: user row of each query. relevant, seen: [Q, N], the distinct items after and before the cut.
    history_sizes_Q, popularity_N: interactions of the user, of the item, before the cut (repeats count).
    """

    users_Q: np.ndarray
    relevant: csr_array
    seen: csr_array
    seen_items_may_return: bool
    history_sizes_Q: np.ndarray
    popularity_N: np.ndarray

    def __post_init__(self) -> None:
        shape = (len(self.users_Q), len(self.popularity_N))
        got = (self.relevant.shape, self.seen.shape, (len(self.history_sizes_Q), len(self.popularity_N)))
        if any(each != shape for each in got):
            raise ValueError(f"got relevant, seen, sizes of shape {got}; wanted {shape} (queries, items) for each")

    @classmethod
    def from_interactions(
        cls,
        *,
        before: tuple[np.ndarray, np.ndarray],
        after: tuple[np.ndarray, np.ndarray],
        items: int,
        seen_items_may_return: bool,
    ) -> Holdout:
        """One query for each user with an interaction after the cut.

        Args:
            before, after: (user rows, item rows) of the interactions before and after the cut.
            items: size of the corpus, N.
        """
        users_Q = np.unique(after[0])
        known = np.isin(before[0], users_Q)
        seen = (np.searchsorted(users_Q, before[0][known]), before[1][known])
        shape = (len(users_Q), items)
        return cls(
            users_Q=users_Q,
            relevant=item_sets(np.searchsorted(users_Q, after[0]), after[1], shape),
            seen=item_sets(*seen, shape),
            seen_items_may_return=seen_items_may_return,
            history_sizes_Q=np.bincount(seen[0], minlength=len(users_Q)),
            popularity_N=np.bincount(before[1], minlength=items),
        )

    def views(self, corpus: np.ndarray | None = None) -> dict[str, EvaluationView]:
        """The views by name, with relevant items restricted to `corpus` (bool [N]).

        all: everything after the cut. repeat: the same lists, relevant is what was seen before. discovery: seen items
        masked, relevant is what was never seen. Where seen items may not return there is only `all`, and it is what
        discovery is elsewhere: seen items are masked and not asked for.
        """
        relevant = self.relevant if corpus is None else self.relevant.multiply(corpus[None, :]).tocsr()
        repeat = relevant.multiply(self.seen)
        discovery = relevant - repeat
        if not self.seen_items_may_return:
            return {"all": _view(discovery, seen_masked=True)}
        return {
            "all": _view(relevant, seen_masked=False),
            "repeat": _view(repeat, seen_masked=False),
            "discovery": _view(discovery, seen_masked=True),
        }

    def user_slices(self) -> dict[str, np.ndarray]:
        """Slices of users by history size: name -> bool [Q]. The warm ones fall into thirds: light, regular, heavy."""
        sizes_Q = self.history_sizes_Q
        warm_Q = sizes_Q >= COLD_BELOW
        low, high = np.quantile(sizes_Q[warm_Q], [1 / 3, 2 / 3]) if warm_Q.any() else (0, 0)
        return {
            "cold_users": ~warm_Q,
            "warm_users": warm_Q,
            "light_users": warm_Q & (sizes_Q <= low),
            "regular_users": warm_Q & (sizes_Q > low) & (sizes_Q <= high),
            "heavy_users": warm_Q & (sizes_Q > high),
        }

    def item_groups(self) -> np.ndarray:
        """Index into ITEM_GROUPS of every item, int8 [N]; equal ones go by item row, never-sold ones are tail."""
        order = np.argsort(-self.popularity_N, kind="stable")
        counts = self.popularity_N[order]
        share_above = (np.cumsum(counts) - counts) / max(counts.sum(), 1)
        group = np.searchsorted([HEAD_SHARE, TORSO_SHARE], share_above, side="right").astype(np.int8)
        group[counts == 0] = ITEM_GROUPS.index("tail_items")
        groups_N = np.empty_like(group)
        groups_N[order] = group
        return groups_N


def item_sets(rows: np.ndarray, items: np.ndarray, shape: tuple[int, int]) -> csr_array:
    """Sets of items per row as int8 [rows, N]; pairs that come more than once stand once."""
    from scipy.sparse import csr_array

    sets = csr_array((np.ones(len(rows), dtype=np.int8), (rows, items)), shape=shape)
    sets.data[:] = 1  # repeated pairs were summed, and wrap around in int8
    return sets


def _view(relevant: csr_array, *, seen_masked: bool) -> EvaluationView:
    relevant.eliminate_zeros()  # the stored entries are the set; products leave zeros behind
    return EvaluationView(rows_V=np.flatnonzero(np.diff(relevant.indptr)), relevant=relevant, seen_masked=seen_masked)


def temporal_holdout(
    events: pl.DataFrame, users: pl.Series, corpus: pl.Series, start: datetime, end: datetime, seen_may_return: bool
) -> Holdout:
    """What users did in [start, end) against what was known of them before: rows are positions in users and corpus."""
    coded = events.select(
        pl.col("timestamp"),
        known=pl.max_horizontal("timestamp", "created"),
        user=pl.col(USER_ID).replace_strict(users, np.arange(len(users))),
        item=pl.col(ITEM_ID).replace_strict(corpus, np.arange(len(corpus))),
    )
    before = coded.filter(pl.col("known") < start)
    after = coded.filter((pl.col("timestamp") >= start) & (pl.col("timestamp") < end))
    pairs = [(part["user"].to_numpy(), part["item"].to_numpy()) for part in (before, after)]
    return Holdout.from_interactions(
        before=pairs[0], after=pairs[1], items=len(corpus), seen_items_may_return=seen_may_return
    )
