"""Events of single users: those of a run's tables, and those of the log since.

Memory holds the newest events of the log, and the ids of the users. All others lie in
memory-mapped files, so that a consumer does not grow with what it has consumed.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.datasets.canonical import Tables, profile_features
from feature_repo.event_kinds import Role, of_role
from feature_repo.events.frames import as_frame
from feature_repo.events.history import ID, not_held
from feature_repo.events.log import Logged, user_digest
from feature_repo.events.mapped_events import MappedEvents
from feature_repo.schema import ITEM_ID, USER_ID, Entity

HELD = 100_000
"""Events of the log in memory, after which they move into a file."""
FILES = 8
"""Files of the log's events after which they are made one."""
_CHUNKS = 64
"""Batches of the log after which they are made one."""


class UserEvents:
    """Events by user. A batch of users costs what their own events cost.

    Args:
        tables: canonical tables of a run.
        folder: folder of the files; None for that of temporary files.
        new_items: items that are not of the tables, but of the next run's.
    """

    def __init__(self, tables: Tables, folder: Path | None = None, new_items: Container[str] = ()) -> None:
        self._kinds = frozenset(of_role(tables.schema.kinds, Role.INTERACTION))
        self._folder, self._new_items = folder, new_items
        self._items = set(tables.items[ITEM_ID]) if profile_features(tables.schema, Entity.ITEM) else None
        self._base = MappedEvents(tables.events, folder)
        self._files: list[MappedEvents] = []
        self._newest = as_frame([]).select(self._columns())
        self._until = tables.log_until

    def add(self, logged: Sequence[Logged]) -> None:
        """Add events of the log, in order; those that were added before are left out."""
        new = [each for each in logged if each.sequence > self._until and self.counts(each)]
        if new:
            self._newest = pl.concat([self._newest, as_frame(new).select(self._columns())])
        if self._newest.n_chunks() > _CHUNKS:
            self._newest = self._newest.rechunk()
        if self._newest.height > HELD:
            self._move_to_file()
        self._until = max([self._until, *(each.sequence for each in logged[-1:])])

    def counts(self, logged: Logged) -> bool:
        """Whether an event is an interaction with an item of the tables, or a new one."""
        event = logged.event
        if event.kind not in self._kinds:
            return False
        return self._items is None or event.item_id in self._items or event.item_id in self._new_items

    def of(self, users: Collection[str]) -> pl.DataFrame:
        """Canonical events of some users; the features need no order."""
        asked = list(users)
        base = self._base.of(asked)
        since = [*(file.of(asked) for file in self._files), self._newest.filter(pl.col(USER_ID).is_in(asked))]
        # A log may hold an id again that it did not know any more: the first one counts.
        found = pl.concat(since).unique(ID, keep="first", maintain_order=True)
        new = not_held(found, base).select(base.columns)
        return pl.concat([base, new])

    def forget(self, notes: Mapping[str, int]) -> list[str]:
        """Delete the events of some users up to a number of the log.

        Args:
            notes: number by user, as of `user_digest`; all are behind the tables.

        Returns:
            The users who had any event.
        """
        known = pl.concat([self._newest[USER_ID].unique(), *(each.users for each in (self._base, *self._files))])
        digests = {user: user_digest(user) for user in known.unique()}
        numbers = {user: notes[digest] for user, digest in digests.items() if digest in notes}
        if numbers:
            others = ~pl.col(USER_ID).is_in(list(numbers))
            self._base = MappedEvents(self._base.events.filter(others), self._folder)
            until = pl.col(USER_ID).replace_strict(numbers, default=0, return_dtype=pl.Int64)
            later = pl.col("sequence") > until
            self._files = [MappedEvents(each.events.filter(later), self._folder) for each in self._files]
            self._newest = self._newest.filter(later)
        return list(numbers)

    def _move_to_file(self) -> None:
        """Move the events in memory into a file."""
        self._files.append(MappedEvents(self._newest, self._folder))
        self._newest = self._newest.clear()
        if len(self._files) > FILES:
            self._files = [MappedEvents(pl.concat([file.events for file in self._files]), self._folder)]

    def _columns(self) -> list[str]:
        columns = self._base.events.columns
        return ["sequence", *columns] if ID in columns else ["sequence", *columns, ID]


def touched(logged: Sequence[Logged]) -> dict[str, datetime]:
    """Users of some events, with the arrival of each one's newest."""
    return {each.event.user_id: each.event.arrived for each in logged}
