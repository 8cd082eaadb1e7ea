"""Ids of new items, for whoever has to tell them from items that nobody knows."""

from __future__ import annotations

from pathlib import Path

from feature_repo.items.reader import ItemReader
from feature_repo.items.store import MAX_ITEMS


class NewItemIds:
    """Ids of an item store, as of now: `id in ids`. It belongs to one thread.

    Args:
        path: file of the store; it may come later.
    """

    def __init__(self, path: Path) -> None:
        self._reader = ItemReader(path)
        self._ids: set[str] = set()
        self._sequence = 0

    def __contains__(self, item_id: object) -> bool:
        if self._reader.has_changed():
            found = self._reader.read(self._sequence, MAX_ITEMS)
            self._ids.update(each.item.item_id for each in found)
            self._sequence = max([self._sequence, *(each.sequence for each in found)])
        return item_id in self._ids
