"""Hold-out of an evaluation: queries, their relevant and seen items, and the views on them.

Legend: Q queries, N corpus items, U users, V queries of one view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID
from feature_repo.tables.snapshots import known_before

if TYPE_CHECKING:
    from scipy.sparse import csr_array

COLD_BELOW = 5
"""A user with fewer interactions before the cut is cold."""
ITEM_GROUPS = ("head_items", "torso_items", "tail_items")
HEAD_SHARE, TORSO_SHARE = 0.5, 0.8
"""Head items make up half of the interactions before the cut, torso items the next 30 %, tail items the rest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationView:
    """Relevant items of one view, and whether its lists may hold seen items."""

    rows_V: np.ndarray
    """Queries that have a relevant item in this view."""
    relevant: csr_array
    """[Q, N], an entry for each relevant item."""
    seen_masked: bool
    """Whether items seen before the cut are masked."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Holdout:
    """Hold-out as integer rows."""

    users_Q: np.ndarray
    """User row of each query."""
    relevant: csr_array
    """[Q, N], the distinct items after the cut."""
    seen: csr_array
    """[Q, N], the distinct items before the cut."""
    seen_items_may_return: bool
    history_sizes_Q: np.ndarray
    """Interactions of each user before the cut; repeats count."""
    popularity_N: np.ndarray
    """Interactions with each item before the cut; repeats count."""
    flags: tuple[str, ...] = ()
    """What a reader must know of how the queries were chosen."""

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
        """Build a hold-out with one query for each user that interacts after the cut.

        Args:
            before: (user rows, item rows) of the interactions before the cut.
            after: the same of those after the cut.
            items: size of the corpus, N.
            seen_items_may_return: whether a seen item can be relevant.
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

    def sampled(self, users: int, *, seed: int) -> Holdout:
        """Draw `users` queries at random, and flag it; unchanged where there are no more than that."""
        if len(self.users_Q) <= users:
            return self
        rows = np.sort(np.random.default_rng(seed).choice(len(self.users_Q), users, replace=False))
        return replace(
            self,
            users_Q=self.users_Q[rows],
            relevant=self.relevant[rows],
            seen=self.seen[rows],
            history_sizes_Q=self.history_sizes_Q[rows],
            flags=(*self.flags, f"measured on {users:,} of {len(self.users_Q):,} users, drawn at random (seed {seed})"),
        )

    def views(self, corpus: np.ndarray | None = None) -> dict[str, EvaluationView]:
        """Views by name, with relevant items restricted to `corpus` (bool [N]).

        all: every item after the cut is relevant. repeat: the same lists, but only
        seen items are relevant. discovery: seen items are masked, unseen ones relevant.
        Where seen items may not return, `all` is the only view, and it masks them.
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
        """Slices of users by history size: name -> bool [Q]. Warm users fall into thirds: light, regular, heavy."""
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
        """Index into ITEM_GROUPS of every item, int8 [N]; ties go by item row, items never sold are tail."""
        order = np.argsort(-self.popularity_N, kind="stable")
        counts = self.popularity_N[order]
        share_above = (np.cumsum(counts) - counts) / max(counts.sum(), 1)
        group = np.searchsorted([HEAD_SHARE, TORSO_SHARE], share_above, side="right").astype(np.int8)
        group[counts == 0] = ITEM_GROUPS.index("tail_items")
        groups_N = np.empty_like(group)
        groups_N[order] = group
        return groups_N


def item_sets(rows: np.ndarray, items: np.ndarray, shape: tuple[int, int]) -> csr_array:
    """Sets of items, int8 [rows, N]; a repeated pair is one entry."""
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
    """Hold-out of the events in [start, end), against what was known before `start`.

    Args:
        events: user_id, item_id, timestamp, created.
        users: user ids; their positions are the user rows.
        corpus: item ids; their positions are the item rows.
        start: cut between history and relevant items.
        end: end of the hold-out.
        seen_may_return: whether a seen item can be relevant.
    """
    coded = events.select(
        "timestamp",
        "created",
        user=pl.col(USER_ID).replace_strict(users, np.arange(len(users))),
        item=pl.col(ITEM_ID).replace_strict(corpus, np.arange(len(corpus))),
    )
    before = known_before(coded, start)
    after = coded.filter((pl.col("timestamp") >= start) & (pl.col("timestamp") < end))
    pairs = [(part["user"].to_numpy(), part["item"].to_numpy()) for part in (before, after)]
    return Holdout.from_interactions(
        before=pairs[0], after=pairs[1], items=len(corpus), seen_items_may_return=seen_may_return
    )
