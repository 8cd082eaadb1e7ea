"""Hold-out of an evaluation: queries, their relevant and seen items, and views.

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
"""Head items make up the first half of the interactions before the cut, torso items the
next 30 %, tail items the rest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EvaluationView:
    """Relevant items of one view, and whether its lists may hold seen items."""

    rows_V: np.ndarray
    """Queries that have a relevant item in this view."""
    relevant: csr_array
    """Relevant items, sparse [Q, N]; stored entries are the set."""
    seen_masked: bool
    """Whether items seen before the cut are masked."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Holdout:
    """Hold-out as integer rows."""

    users_Q: np.ndarray
    """User row of each query."""
    relevant: csr_array
    """Distinct items after the cut, sparse [Q, N]."""
    seen: csr_array
    """Distinct items before the cut, sparse [Q, N]."""
    seen_items_may_return: bool
    """Whether a seen item can be relevant."""
    history_sizes_Q: np.ndarray
    """Interactions of each user before the cut; repeats count."""
    popularity_N: np.ndarray
    """Interactions with each item before the cut; repeats count."""
    flags: tuple[str, ...] = ()
    """Notes for a reader of how the queries were chosen."""

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
        """Hold-out with one query for each user that interacts after the cut.

        Args:
            before: (user rows, item rows) of the interactions before the cut.
            after: (user rows, item rows) of the interactions after the cut.
            items: size of the corpus, N.
            seen_items_may_return: whether a seen item can be relevant.

        Returns:
            The hold-out, its queries in the order of user rows.
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
        """Hold-out of at most `users` queries, drawn at random and flagged.

        Args:
            users: number of queries; a smaller hold-out stays unchanged.
            seed: random seed of the draw.
        """
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
        """Views by name.

        In `all`, every item after the cut is relevant. `repeat` has the same lists, but
        only seen items are relevant. In `discovery`, seen items are masked and unseen
        ones relevant. If seen items may not return, `all` is the only view, and it
        masks them.

        Args:
            corpus: bool [N]; restricts the relevant items. None for all items.
        """
        relevant = self.relevant if corpus is None else self.relevant.multiply(corpus[None, :]).tocsr()
        repeat = relevant.multiply(self.seen)
        # Repeat is a subset of relevant, so the difference holds no negative entry.
        discovery = relevant - repeat
        if not self.seen_items_may_return:
            return {"all": _view(discovery, seen_masked=True)}
        return {
            "all": _view(relevant, seen_masked=False),
            "repeat": _view(repeat, seen_masked=False),
            "discovery": _view(discovery, seen_masked=True),
        }

    def user_slices(self) -> dict[str, np.ndarray]:
        """Slices of users by history size: bool [Q] by name.

        Warm users fall into thirds: light, regular and heavy.
        """
        sizes_Q = self.history_sizes_Q
        # Thirds of warm users only: cold ones have a slice of their own.
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
        """Index into ITEM_GROUPS of every item: int8 [N].

        Ties go by item row. Items never sold are tail items.
        """
        order = np.argsort(-self.popularity_N, kind="stable")
        counts = self.popularity_N[order]
        # Share of the items above, without the item's own: the most popular item is
        # always head.
        share_above = (np.cumsum(counts) - counts) / max(counts.sum(), 1)
        group = np.searchsorted([HEAD_SHARE, TORSO_SHARE], share_above, side="right").astype(np.int8)
        group[counts == 0] = ITEM_GROUPS.index("tail_items")
        groups_N = np.empty_like(group)
        groups_N[order] = group
        return groups_N


def item_sets(rows: np.ndarray, items: np.ndarray, shape: tuple[int, int]) -> csr_array:
    """Sets of items, int8 [rows, N]; a repeated pair is one entry.

    Args:
        rows: set of each pair.
        items: item of each pair.
        shape: number of sets, and N.
    """
    from scipy.sparse import csr_array

    sets = csr_array((np.ones(len(rows), dtype=np.int8), (rows, items)), shape=shape)
    # The sum of repeated pairs can overflow int8, even to 0.
    sets.data[:] = 1
    return sets


def _view(relevant: csr_array, *, seen_masked: bool) -> EvaluationView:
    """View of relevant items; writes over the matrix."""
    # The stored entries are the set, and products leave zeros behind.
    relevant.eliminate_zeros()
    return EvaluationView(rows_V=np.flatnonzero(np.diff(relevant.indptr)), relevant=relevant, seen_masked=seen_masked)


def temporal_holdout(
    events: pl.DataFrame, users: pl.Series, corpus: pl.Series, start: datetime, end: datetime, seen_may_return: bool
) -> Holdout:
    """Hold-out of the events in [start, end), with histories known before `start`.

    Args:
        events: user_id, item_id, timestamp, created.
        users: user ids, in the order of the user rows.
        corpus: item ids, in the order of the item rows.
        start: cut between history and relevant items.
        end: end of the hold-out.
        seen_may_return: whether a seen item can be relevant.

    Returns:
        The hold-out.
    """
    coded = events.select(
        "timestamp",
        "created",
        user=pl.col(USER_ID).replace_strict(users, np.arange(len(users))),
        item=pl.col(ITEM_ID).replace_strict(corpus, np.arange(len(corpus))),
    )
    # An event from before the start that became known later is no history: a system
    # could not know it.
    before = known_before(coded, start)
    after = coded.filter((pl.col("timestamp") >= start) & (pl.col("timestamp") < end))
    pairs = [(part["user"].to_numpy(), part["item"].to_numpy()) for part in (before, after)]
    return Holdout.from_interactions(
        before=pairs[0], after=pairs[1], items=len(corpus), seen_items_may_return=seen_may_return
    )
