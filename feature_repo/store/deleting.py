"""Online writes and deletions through Feast, in every schema of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from feature_repo.schema import CREATED_TIME, ENTITY_TIME, Entity
from feature_repo.store.connection import Connection
from feature_repo.store.online_server import reached

if TYPE_CHECKING:
    from feast.infra.provider import Provider


class Deleting(Connection):
    """Deletions of entities from the online store."""

    def forget_all_but(self, entity: Entity, ids: pl.Series) -> int:
        """Delete the online rows of all other entities, in every schema of the dataset.

        Args:
            entity: the entity.
            ids: ids that stay.

        Returns:
            Number of entities that vanished.
        """
        kept = set(ids)
        return len(self._vanish(entity, lambda known: known - kept))

    def forget(self, entity: Entity, ids: Collection[str], at: datetime) -> set[str]:
        """Delete the online rows of some entities, in every schema of the dataset.

        Args:
            entity: the entity.
            ids: ids to delete.
            at: time after all of their rows.

        Returns:
            Those that had any.
        """
        return self._vanish(entity, lambda known: known.intersection(ids), at)

    def known_of_all(self, entity: Entity) -> set[str]:
        """Ids with online rows in any schema of the dataset."""
        return set().union(*(self._ids.of(self.project, name, entity) for name in self._names(entity)))

    def _names(self, entity: Entity) -> list[str]:
        """Names of the views of an entity in all schemas."""
        self._refresh()  # other processes may have added some
        return [each.name for each in self._feast.list_feature_views() if each.entities == [entity.value]]

    def _vanish(
        self, entity: Entity, chosen: Callable[[set[str]], set[str]], after: datetime | None = None
    ) -> set[str]:
        """Delete the online rows of those that are chosen from the known ids of a view.

        Args:
            entity: the entity.
            chosen: chooses from the ids of a view.
            after: time of their newest rows, if that is later than the load's.
        """
        from filelock import FileLock

        names = self._names(entity)
        with FileLock(self.home / "online.lock"):
            gone = {name: chosen(self._ids.of(self.project, name, entity)) for name in names}
            everyone = set().union(*gone.values())
            if everyone and not self._ids.delete(self.project, names, entity, everyone):
                for name, vanished in gone.items():
                    self._empty(name, entity, vanished, after=after)
        return everyone

    def _empty(
        self,
        name: str,
        entity: Entity,
        ids: Collection[str],
        as_of: datetime | None = None,
        after: datetime | None = None,
    ) -> None:
        """Write empty rows where an online store on a server has no call to delete.

        Args:
            name: name of the Feast view.
            entity: its entity.
            ids: ids of the rows.
            as_of: time of the rows where the view is registered as never loaded.
            after: time of the newest of their rows, if that is later than the load's.
        """
        if not ids:
            return
        view = self._feast.get_feature_view(name)
        loaded = view.most_recent_end_time or as_of
        assert loaded is not None, f"{name} has online rows and was never loaded"
        newest = max(loaded, after.replace(tzinfo=loaded.tzinfo)) if after else loaded
        moment = newest + timedelta(seconds=1)  # some stores ignore a row that is not newer
        empty = {field.name: [None] * len(ids) for field in view.features}
        times = {ENTITY_TIME: [moment] * len(ids), CREATED_TIME: [moment] * len(ids)}
        rows = pl.DataFrame({entity.key: sorted(ids), **times, **empty})
        self._ingest(name, rows)
        self._ids.write(name, self._ids.of(self.project, name, entity).difference(ids))

    def _ingest(self, name: str, rows: pl.DataFrame) -> None:
        """Write rows to a Feast view by its name."""
        # One chunk: Feast writes the first only. Not write_to_online_store, which skips
        # rows that are all null.
        frame = rows.rechunk().to_pandas(use_pyarrow_extension_array=True)
        with reached(self._online):
            self._provider.ingest_df(self._feast.get_feature_view(name), frame)

    @cached_property
    def _provider(self) -> Provider:
        """Feast's writer of this load."""
        from feast.infra.provider import get_provider

        return get_provider(self._feast.config)

    def _refresh(self) -> None:
        """Forget what other processes or a server may have changed since."""
        self._feast.refresh_registry()
        # Feast would go on with a connection that the server has closed.
        self.__dict__.pop("_provider", None)
