"""Online load: the rows that differ, some entities at a time, in all their views.

In SQLite a user changes, or vanishes, in all views at once. Feast has no such call for
other online stores: there the views of some users are written one right after the
other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from feature_repo.errors import InputError, NewerOnlineError
from feature_repo.progress import track
from feature_repo.schema import ENTITY_TIME, Entity, View
from feature_repo.store.definitions import table_name, table_path, view_name
from feature_repo.store.deleting import Deleting
from feature_repo.store.latest import differs, newest_rows, read_rows
from feature_repo.store.sqlite_load import Change, forget_pushed, note_load, noted_loads, write_changes

if TYPE_CHECKING:
    pass

_REGISTRY_SECONDS = 1.0
"""Time for which a service believes what a registry on a server has said."""
_IDS_PER_LOAD = 2_000
"""Entities of a write, whose lists of hundreds of strings are Python objects."""


class Loading(Deleting):
    """Online load of one schema."""

    def load_online(self, entity: Entity, as_of: datetime, *, anew: bool = False) -> int:
        """Bring the online store to `as_of`: the values of `join` at that time.

        Only rows that differ from those online are written. Entities that vanished from
        the tables vanish online too. A row that was pushed since, with a time after
        `as_of`, stays. Of several loads at once, one writes and the others wait.

        Args:
            entity: the entity.
            as_of: time of the values, UTC without a zone.
            anew: whether to load it even if the store was loaded for a later time.

        Returns:
            Number of written rows, over all views of the entity.

        Raises:
            NewerOnlineError: the online store was loaded for a later time.
            InputError: `as_of` has a zone, or no tables were applied by this object.
        """
        from filelock import FileLock

        if as_of.tzinfo is not None:
            raise InputError(f"got as_of {as_of}; wanted a UTC time without a time zone")
        folder = self._folder
        with FileLock(self.home / "online.lock"):
            self._refresh()  # another process may have loaded more
            loaded = self.loaded_until(entity)
            if loaded and loaded > as_of and not anew:
                raise NewerOnlineError(
                    f"online store, service {self.service(entity)}: already loaded as of {loaded}, later than the "
                    f"wanted {as_of}; load that time or a later one, or load it anew (--reset-online)"
                )
            if anew:
                self._forget_loads(entity, folder)
            written = self._load(entity, as_of, folder, newest=None if anew else as_of)
            self._note(entity, as_of)
            return written

    def loaded_until(self, entity: Entity) -> datetime | None:
        """Moment that the online rows of an entity stand for; None before a load.

        While a load is at work, and if it was cut off, it is the former moment.
        """
        views = self.schema.views_of(entity)
        sqlite, tables = self._ids.sqlite, {table_name(self.schema, view) for view in views}
        noted = noted_loads(sqlite, tables) if sqlite else []
        # Feast's own note: of a store on a server, or of a home from before the other.
        return min(noted, default=None) if len(noted) == len(views) else self._registered_until(views)

    def _registered_until(self, views: Sequence[View]) -> datetime | None:
        """Latest moment that Feast's registry has for some views.

        A service asks with every answer: the registry is only read again after a write.
        """
        names = frozenset(view_name(self.schema, view) for view in views)
        state = self._registry.state(_REGISTRY_SECONDS)
        if self._until.get(names, (None, None))[0] != state:
            times = [each.most_recent_end_time for each in self._feast.list_feature_views() if each.name in names]
            latest = max((time.astimezone(UTC).replace(tzinfo=None) for time in times if time), default=None)
            self._until[names] = state, latest
        return self._until[names][1]

    def _forget_loads(self, entity: Entity, folder: Path) -> None:
        """Register the views of an entity as never loaded; their rows stay."""
        if self._ids.sqlite:
            forget_pushed(self._ids.sqlite, [table_name(self.schema, view) for view in self.schema.views_of(entity)])
        for view in self.schema.views_of(entity):
            self._feast.registry.delete_feature_view(view_name(self.schema, view), self.project)
        self.apply(folder, (entity,))

    def _load(self, entity: Entity, as_of: datetime, folder: Path, *, newest: datetime | None) -> int:
        """Write the rows that differ at a moment.

        Args:
            entity: the entity.
            as_of: the moment.
            folder: folder of the feature tables.
            newest: time of the newest online row that may be overwritten; None for any.

        Returns:
            Number of written rows.
        """
        views = self.schema.views_of(entity)
        latest = {view.name: newest_rows(table_path(folder, view), view, as_of) for view in views}
        online = {view.name: self._ids.of(self.project, view_name(self.schema, view), entity) for view in views}
        former = pl.Series(entity.key, sorted(set().union(*online.values())), dtype=pl.String)
        ids = pl.concat([former, *(rows[entity.key] for rows in latest.values())]).unique().sort()
        written = 0
        blocks = track(ids.to_frame().iter_slices(_IDS_PER_LOAD), "parts", -(-len(ids) // _IDS_PER_LOAD))
        for block in blocks:
            some = block.to_series()
            changes = [self._change(view, some, latest[view.name], online[view.name], folder, newest) for view in views]
            written += self._write(changes, as_of, newest)
            for each in changes:
                online[each.view.name].difference_update(each.gone)
        for view in views:
            self._ids.write(view_name(self.schema, view), online[view.name].union(latest[view.name][entity.key]))
        return written

    def _change(
        self, view: View, ids: pl.Series, latest: pl.DataFrame, online: set[str], folder: Path, newest: datetime | None
    ) -> Change:
        """Rows of some entities that differ from those online, and ids that vanish.

        Args:
            view: the view.
            ids: ids, sorted.
            latest: key and times of the newest rows of all entities.
            online: ids with online rows.
            folder: folder of the feature tables.
            newest: time of the newest online row that may be overwritten; None for any.
        """
        key, name = view.entity.key, view_name(self.schema, view)
        part = latest.filter(pl.col(key).is_between(pl.lit(ids[0]), pl.lit(ids[-1])))
        rows = read_rows(table_path(folder, view), view, part)
        gone = sorted(online.intersection(ids) - set(part[key]))
        stored = self._rows((view,), [*rows[key], *gone]).frame((view,))
        newer = set(stored.filter(pl.col(ENTITY_TIME) > newest)[key]) if newest else set()
        rows = rows.filter(differs(rows, stored.head(rows.height), view) & ~pl.Series(rows[key]).is_in(newer))
        return Change(view=view, name=name, rows=rows, gone=set(gone) - newer)

    def _write(self, changes: Sequence[Change], as_of: datetime, newest: datetime | None) -> int:
        """Write the changes of some entities in all views, and count the written rows.

        Args:
            changes: the changes.
            as_of: moment of the load.
            newest: time of the newest online row that may be overwritten; None for any.
        """
        if self._ids.sqlite:
            return write_changes(self._ids.sqlite, self.project, changes, as_of, newest)
        for each in changes:
            if each.rows.height:
                self._ingest(each.name, each.rows)
            self._empty(each.name, each.view.entity, each.gone, as_of)
        return sum(each.rows.height for each in changes)

    @cached_property
    def _until(self) -> dict[frozenset[str], tuple[object, datetime | None]]:
        """Moments by names of views, each with the writes that the registry had then."""
        return {}

    def _note(self, entity: Entity, as_of: datetime) -> None:
        """Note the moment that all rows of an entity stand for from now on."""
        moment, views = as_of.replace(tzinfo=UTC), self.schema.views_of(entity)
        for view in views:
            registered = self._feast.get_feature_view(view_name(self.schema, view))
            loaded = registered.most_recent_end_time
            if loaded != moment:
                self._feast.registry.apply_materialization(registered, self.project, loaded or moment, moment)
        if self._ids.sqlite:
            note_load(self._ids.sqlite, [table_name(self.schema, view) for view in views], as_of)
