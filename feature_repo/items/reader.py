"""Reader of an item store that others write: it costs nothing while nothing changes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from feature_repo.events.sqlite_file import connect, explained
from feature_repo.items.store import KIND, READ, StoredItem, stored_items


class ItemReader:
    """Reader of one file, which may not be there yet. It belongs to one thread.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._version: int | None = None

    def has_changed(self) -> bool:
        """Whether something was written since the last call; True at the first with a file.

        Raises:
            ItemStoreError: the file cannot be read.
        """
        if not self._is_there():
            return False
        with explained(self._path, KIND):
            # SQLite's own count of the commits of others.
            found = int(self._opened().execute("PRAGMA data_version").fetchone()[0])
        changed, self._version = found != self._version, found
        return changed

    def hidden(self) -> frozenset[str]:
        """Hidden items, none without a file; ItemStoreError if the file cannot be read."""
        if not self._is_there():
            return frozenset()
        with explained(self._path, KIND):
            return frozenset(id_ for (id_,) in self._opened().execute("SELECT item_id FROM hidden"))

    def read(self, after: int, limit: int) -> list[StoredItem]:
        """Items behind a number, in order, none without a file.

        Args:
            after: number behind which they lie; 0 for the first.
            limit: largest number of items.

        Raises:
            ItemStoreError: the file cannot be read.
        """
        if not self._is_there():
            return []
        with explained(self._path, KIND):
            return stored_items(self._opened().execute(READ, (after, limit)).fetchall())

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _is_there(self) -> bool:
        return self._connection is not None or self._path.is_file()

    def _opened(self) -> sqlite3.Connection:
        self._connection = self._connection or connect(self._path)
        return self._connection
