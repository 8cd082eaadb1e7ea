"""Ids with online rows: who is known, and who is to vanish.

SQLite says itself whose rows it holds. Of an online store on a server, the ids of the
last load are kept in a file of the home: Feast has no call that lists them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from feature_repo.schema import Entity
from feature_repo.store.sqlite_rows import PUSHED, delete_ids, ids_in, tables_in
from feature_repo.whole_file import whole_file


class OnlineIds:
    """Ids with online rows, by view.

    Args:
        home: folder of the feature registry.
        online: configuration of the Feast online store.
    """

    def __init__(self, home: Path, online: Mapping[str, Any]) -> None:
        self._folder = home / "online_ids"
        self.sqlite = Path(online["path"]) if online["type"] == "sqlite" else None
        """Database of the online rows; None for a store on a server."""

    def of(self, project: str, view: str, entity: Entity) -> set[str]:
        """Ids with rows of a view.

        Args:
            project: Feast's project.
            view: name of the Feast view.
            entity: entity of the view.
        """
        if self.sqlite is None:
            path = self._folder / f"{view}.parquet"
            return set(pl.read_parquet(path)["id"]) if path.exists() else set()
        table = f"{project}_{view}"
        return ids_in(self.sqlite, table, entity) if self.sqlite.exists() and table in tables_in(self.sqlite) else set()

    def loaded(self, project: str, view: str) -> bool:
        """Whether a view was ever loaded."""
        if self.sqlite is None:
            return (self._folder / f"{view}.parquet").exists()
        return self.sqlite.exists() and f"{project}_{view}" in tables_in(self.sqlite)

    def write(self, view: str, ids: set[str]) -> None:
        """Keep the ids of a view, where the store cannot list them."""
        if self.sqlite is None:
            self._folder.mkdir(exist_ok=True)
            with whole_file(self._folder / f"{view}.parquet") as partial:
                pl.DataFrame({"id": sorted(ids)}, schema={"id": pl.String}).write_parquet(partial)

    def delete(self, project: str, views: Collection[str], entity: Entity, ids: Collection[str]) -> bool:
        """Delete rows from several views for good; False where the store cannot.

        Args:
            project: Feast's project.
            views: names of the Feast views.
            entity: entity of the views.
            ids: ids to delete.
        """
        if self.sqlite is None:
            return False
        tables = {PUSHED, *(f"{project}_{view}" for view in views)}
        delete_ids(self.sqlite, tables & tables_in(self.sqlite, own=True), entity, ids)
        return True
