"""Consumer of the event log: new events become online features within moments.

It computes the features of the users who did something with the code of the offline
tables, from all their events at that moment. A row is so the one that a point-in-time
join finds at its moment, and computing it again changes nothing. The offset is
committed after the rows are written: whatever is cut off is done again, and no event is
lost or counted twice.

Moments are those of the recorded arrivals, never of a clock, so a replay gives the same
rows. They lie behind the data of the base, which a row must not be older than.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from feature_repo.event_kinds import Role, of_role
from feature_repo.events.base import Base, read_base
from feature_repo.events.log import EventLog
from feature_repo.events.user_events import UserEvents, touched
from feature_repo.schema import CREATED_TIME, ENTITY_TIME, USER_ID, Entity, Schema, View
from feature_repo.store.definitions import view_name
from feature_repo.store.feast_push import open_pusher
from feature_repo.store.push import Pusher, refuse_newer
from feature_repo.store.serving_state import seen_lists, seen_schema
from feature_repo.store.sqlite_load import Change
from feature_repo.tables.build import feature_tables
from feature_repo.tables.other_schema import PROFILES, under_schema
from feature_repo.tables.types import TIME

EVENTS_AT_ONCE = 2_000
"""Most events of a micro-batch."""
_RESTORED_AT_ONCE = 100_000


class Consumer:
    """Consumer of a log that keeps the online features of some schemas fresh.

    Args:
        log: the log.
        base: data of the run whose features were loaded last.
        pusher: writer to the online store.
        schemas: schemas of the kept releases.
        seen: whether the items that each user has seen are kept online.
        folder: folder for the events that it does not hold in memory; None for that of
            temporary files.
        new_items: items that came after the base.

    Raises:
        NewerOnlineError: the online features are of a newer run than the base.
        InputError: the features of a schema cannot be computed from the base, or were
            never loaded.
    """

    def __init__(
        self,
        log: EventLog,
        base: Base,
        pusher: Pusher,
        *,
        schemas: Sequence[Schema],
        seen: bool = True,
        folder: Path | None = None,
        new_items: Container[str] = (),
    ) -> None:
        self._log, self._pusher, self._as_of = log, pusher, base.as_of
        # Without the events, which UserEvents keeps in a file.
        tables = [under_schema(base.tables, _of_events(schema)) for schema in schemas]
        self._tables = [replace(each, events=each.events.clear()) for each in tables]
        self._seen = seen_schema(base.tables.schema.dataset) if seen else None
        views = [(schema, view) for schema in schemas for view in _of_events(schema).views]
        views += [(self._seen, view) for view in self._seen.views] if self._seen else []
        self._views = [(view, view_name(schema, view)) for schema, view in views]
        names = ", ".join(sorted(name for _, name in self._views))
        counted = ", ".join(of_role(base.tables.schema.kinds, Role.INTERACTION))
        self.name = f"{base.tables.schema.dataset}: {names}, of {counted}, from {base.key}"
        """Name of the offset in the log: views and kinds that come later start at the
        base too."""
        self.check()
        self._events = UserEvents(base.tables, folder, new_items)
        self._position = self._noted = base.tables.log_until
        self._noted_at = base.as_of
        # Before the events: what a forgotten user does afterwards counts.
        gone = self._forget()
        self._restore()
        self._settle(gone)

    @classmethod
    def open(
        cls,
        log: EventLog,
        home: Path,
        dataset: str,
        *,
        schemas: Sequence[Schema],
        online: Mapping[str, Any] | None = None,
        registry: str | None = None,
        new_items: Container[str] = (),
    ) -> Consumer:
        """Open a consumer on what the newest run has loaded into a home.

        Args:
            log: the log.
            home: folder of the feature registry.
            dataset: name of the dataset.
            schemas: schemas of the kept releases.
            online: configuration of a Feast online store; None for SQLite in `home`.
            registry: address of the feature registry's database; None for SQLite in `home`.
            new_items: items that came after the newest run.

        Raises:
            NewerOnlineError: a run is loading newer data at this moment.
            InputError: nothing was loaded, or not for these schemas.
        """
        pusher, seen = open_pusher(dataset, home, online, registry), seen_schema(dataset)
        has_seen = bool(pusher.loaded([view_name(seen, seen.views[0])]))
        base = read_base(home, dataset)
        return cls(log, base, pusher, schemas=schemas, seen=has_seen, folder=home, new_items=new_items)

    @property
    def lag(self) -> int:
        """Events of the log that the online features do not have yet."""
        # Behind the newest event there may be numbers of forgotten ones.
        return self._log.newest() - self._position if self._log.read(self._position, 1) else 0

    def check(self) -> None:
        """Raise NewerOnlineError if the online features are of a newer run."""
        names = [name for _, name in self._views]
        refuse_newer(self._pusher.loaded(names), names, self._as_of)

    def step(self, limit: int = EVENTS_AT_ONCE) -> int:
        """Bring the features of the next events online, and commit the offset.

        Args:
            limit: most events to take.

        Returns:
            Number of events that were taken; 0 where there were none.

        Raises:
            NewerOnlineError: the online features are of a newer run than the base: go
                on with a new consumer from that run's data.
            EventLogError: the log cannot be read or written; a further step takes the
                same events again.
        """
        logged = self._log.read(self._position, limit)
        # Read after the events, so that a note is there before the events behind it are.
        moments = self._settle(self._forget())
        self._events.add(logged)
        moments |= touched([each for each in logged if self._events.counts(each)])
        if moments:
            self._pusher.push(self._changes(moments), self._as_of)
        if logged:
            self._log.commit(self.name, logged[-1].sequence)
            self._position = logged[-1].sequence
        return len(logged)

    def _restore(self) -> None:
        """Take the events that an earlier consumer of this base has brought online."""
        committed = self._log.committed(self.name)
        while logged := [
            each for each in self._log.read(self._position, _RESTORED_AT_ONCE) if each.sequence <= committed
        ]:
            self._events.add(logged)
            self._position = logged[-1].sequence

    def _forget(self) -> list[str]:
        """Take the notes of forgotten users, and return the users who had events."""
        notes = self._log.forgotten(self._noted)
        if not notes:
            return []
        self._noted, self._noted_at = notes[-1].sequence, notes[-1].arrived
        return self._events.forget({note.digest: note.sequence for note in notes})

    def _settle(self, gone: Sequence[str]) -> dict[str, datetime]:
        """Delete the online rows of forgotten users, whom a batch may have pushed since.

        Returns the newest arrival of those who have done something after that.
        """
        newest = {user: self._events.of([user])["created"].max() for user in gone}
        if deleted := [user for user, arrived in newest.items() if arrived is None]:
            self.check()  # in those of a newer run they are as its files have them
            self._pusher.delete([name for _, name in self._views], deleted, self._noted_at)
        return {user: arrived for user, arrived in newest.items() if isinstance(arrived, datetime)}

    def _changes(self, arrivals: Mapping[str, datetime]) -> list[Change]:
        """Rows of some users in all views, as of the arrival of each one's newest event."""
        snapshots = _snapshots(arrivals, self._as_of)
        events = self._events.of(snapshots[USER_ID].to_list())
        rows: list[pl.DataFrame] = []
        for tables in self._tables:
            part = replace(tables, events=events)
            rows += feature_tables(part, Entity.USER, snapshots=snapshots).values()
        if self._seen:
            rows.append(_with_times(seen_lists(events), snapshots, self._seen.views[0]))
        return [
            Change(view=view, name=name, rows=each, gone=())
            for (view, name), each in zip(self._views, rows, strict=True)
        ]


def _of_events(schema: Schema) -> Schema:
    """Schema with the user views that events change; loads alone write profiles."""
    return replace(schema, views=tuple(view for view in schema.views_of(Entity.USER) if view.name not in PROFILES))


def _snapshots(arrivals: Mapping[str, datetime], as_of: datetime) -> pl.DataFrame:
    """Moment of each user: just behind the newest event and the data of the base."""
    rows = [(user, max(arrived, as_of) + timedelta(microseconds=1)) for user, arrived in sorted(arrivals.items())]
    return pl.DataFrame(rows, schema={USER_ID: pl.String, ENTITY_TIME: TIME}, orient="row")


def _with_times(lists: pl.DataFrame, snapshots: pl.DataFrame, view: View) -> pl.DataFrame:
    """Rows of the seen items, in the form of a feature table."""
    rows = snapshots.join(lists, on=USER_ID, maintain_order="left")
    return rows.with_columns(pl.col(ENTITY_TIME).alias(CREATED_TIME)).select(
        USER_ID, ENTITY_TIME, CREATED_TIME, *view.columns
    )
