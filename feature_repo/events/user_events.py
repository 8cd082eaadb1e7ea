"""Events of single users: those of a run's tables, and those of the log since."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables, profile_features
from feature_repo.events.event import EventKind
from feature_repo.events.frames import as_frame
from feature_repo.events.history import ID, not_held
from feature_repo.events.log import Logged
from feature_repo.schema import ITEM_ID, USER_ID, Entity

_CHUNKS = 64
"""Batches of the log after which they are made one."""


class UserEvents:
    """Events by user. A batch of users costs what their own events cost.

    Args:
        tables: canonical tables of a run.
        kinds: kinds of the log that are interactions of this dataset.
    """

    def __init__(self, tables: Tables, kinds: Collection[EventKind]) -> None:
        self._kinds = frozenset(kinds)
        self._items = set(tables.items[ITEM_ID]) if profile_features(tables.schema, Entity.ITEM) else None
        self._base = tables.events.sort(USER_ID, maintain_order=True)
        users = self._base[USER_ID].rle().struct.unnest()
        ends = np.cumsum(users["len"].to_numpy(), dtype=np.int64)
        self._ends = dict(zip(users["value"].to_list(), ends.tolist(), strict=True))
        self._sizes = dict(zip(users["value"].to_list(), users["len"].to_list(), strict=True))
        self._since = as_frame([]).select(self._columns())
        self._until = tables.log_until

    def add(self, logged: Sequence[Logged]) -> None:
        """Add events of the log, in order; those that were added before are left out."""
        new = [each for each in logged if each.sequence > self._until and self.counts(each)]
        if new:
            self._since = pl.concat([self._since, as_frame(new).select(self._columns())])
        if self._since.n_chunks() > _CHUNKS:
            self._since = self._since.rechunk()
        self._until = max(self._until, logged[-1].sequence)

    def counts(self, logged: Logged) -> bool:
        """Whether an event is an interaction with an item of the tables."""
        event = logged.event
        return event.kind in self._kinds and (self._items is None or event.item_id in self._items)

    def of(self, users: Collection[str]) -> pl.DataFrame:
        """Canonical events of some users; the features need no order."""
        known = [(self._ends[user] - self._sizes[user], self._ends[user]) for user in users if user in self._ends]
        rows = np.concatenate([np.arange(start, end) for start, end in known]) if known else np.empty(0, np.int64)
        base = self._base[rows]
        since = self._since.filter(pl.col(USER_ID).is_in(list(users)))
        new = not_held(since, base).select(base.columns)
        return pl.concat([base, new])

    def _columns(self) -> list[str]:
        return self._base.columns if ID in self._base.columns else [*self._base.columns, ID]


def touched(logged: Sequence[Logged]) -> dict[str, datetime]:
    """Users of some events, with the arrival of each one's newest."""
    return {each.event.user_id: each.event.arrived for each in logged}
