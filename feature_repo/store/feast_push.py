"""Pushes to an online store on a server, through Feast."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feature_repo.schema import Entity, stored_name
from feature_repo.store.push import Pusher, SqlitePusher, refuse_newer
from feature_repo.store.serving_state import seen_schema
from feature_repo.store.sqlite_load import Change
from feature_repo.store.store import Store


def open_pusher(
    dataset: str, home: Path, online: Mapping[str, Any] | None = None, registry: str | None = None
) -> Pusher:
    """Open the writer of pushes to a home's online store.

    Args:
        dataset: name of the dataset.
        home: folder of the feature registry.
        online: configuration of a Feast online store; None for SQLite in `home`.
        registry: address of the registry's database; None for SQLite in `home`.
    """
    if online is None:
        return SqlitePusher(home / "online.db", stored_name(dataset))
    return FeastPusher(dataset, home, online, registry)


class FeastPusher:
    """Pushes through Feast: the views of some users, one right after the other.

    Redis keeps the row of the later time by itself. Postgres keeps the last one
    written, so that one consumer must be at work at a time.

    Args:
        dataset: name of the dataset.
        home: folder of the feature registry.
        online: configuration of the online store.
        registry: address of the registry's database; None for SQLite in `home`.
    """

    def __init__(self, dataset: str, home: Path, online: Mapping[str, Any], registry: str | None = None) -> None:
        self._store = Store(seen_schema(dataset), home, online=online, registry=registry)
        self._registered: tuple[object, dict[str, datetime]] = None, {}

    def loaded(self, names: Sequence[str]) -> dict[str, datetime]:
        """Moments of loads, as of `Pusher.loaded`."""
        state = self._store._registry.state()
        if self._registered[0] != state:
            self._store._refresh()
            times = {each.name: each.most_recent_end_time for each in self._store._feast.list_feature_views()}
            loads = {name: time.astimezone(UTC).replace(tzinfo=None) for name, time in times.items() if time}
            self._registered = state, loads
        return {name: moment for name, moment in self._registered[1].items() if name in names}

    def push(self, changes: Sequence[Change], base: datetime) -> int:
        """Write newer rows, as of `Pusher.push`."""
        names = [each.name for each in changes]
        refuse_newer(self.loaded(names), names, base)
        for each in changes:
            self._store._ingest(each.name, each.rows)
            known = self._store._ids.of(self._store.project, each.name, each.view.entity)
            if new := set(each.rows[each.view.entity.key]) - known:
                self._store._ids.write(each.name, known | new)
        return sum(each.rows.height for each in changes)

    def delete(self, names: Sequence[str], ids: Collection[str], at: datetime) -> None:
        """Delete the rows of some users, as of `Pusher.delete`."""
        for name in names:
            known = self._store._ids.of(self._store.project, name, Entity.USER)
            self._store._empty(name, Entity.USER, known.intersection(ids), after=at)
