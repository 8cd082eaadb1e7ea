"""Items that come and go while a release serves.

Hidden items are read before each batch. New items are embedded beside the answers, in a
thread, and are there as a whole: each batch sees one state.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import numpy as np

from feature_repo.items.item import FieldError, NewItem, item_features, parse_item
from feature_repo.items.reader import ItemReader
from feature_repo.items.store import ItemStoreError
from feature_repo.schema import ITEM_ID
from serving.corpus import Corpus
from serving.new_items import NewItemTower, new_corpus
from serving.release.load import Release

logger = logging.getLogger(__name__)
ITEMS_AT_ONCE = 256
"""Items that are embedded before others get a turn."""
LOOK_SECONDS, RETRY_SECONDS = 0.2, 1.0
"""Time between two looks for new items, unless somebody asks for them; and after one that failed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class NewItems:
    """New items of a release at one moment."""

    sequence: int = 0
    """Number of the store up to which they are there."""
    corpus: Corpus | None = None
    """The items; None without any."""
    failed: Mapping[str, str] = field(default_factory=dict)
    """Reasons by id for items that are left out."""

    @property
    def count(self) -> int:
        """Number of items."""
        return len(self.corpus.ids) if self.corpus else 0


class LiveItems:
    """New and hidden items of one release.

    Args:
        path: file of the item store; it may come later.
        release: the release.
        judged: its items, which no new item replaces.
        most: most new items.

    Raises:
        ItemStoreError: the file cannot be read.
    """

    def __init__(self, path: Path, release: Release, judged: Corpus, *, most: int) -> None:
        self._release, self._judged, self._most = release, judged, most
        self._hidden_reader, self._reader = ItemReader(path), ItemReader(path)
        self._items: dict[str, tuple[NewItem, np.ndarray]] = {}
        self._tower: NewItemTower | None = None
        self._wake, self._stop = Event(), Event()
        self._is_stale = False
        self._thread = Thread(target=self._follow, name="new-items", daemon=True)
        # What is hidden may have to be: without the list, this release does not serve.
        self.hidden = self._hidden_reader.hidden()
        """Ids of hidden items, as of the last `look`."""
        self.new = NewItems()
        """New items, replaced as a whole."""
        self._catch_up()
        self._thread.start()

    def look(self) -> None:
        """Read which items are hidden, if that has changed; as before where it cannot be read."""
        try:
            self._is_stale |= self._hidden_reader.has_changed()
            if self._is_stale:
                self.hidden = self._hidden_reader.hidden()
                self._is_stale = False
        except ItemStoreError as error:
            logger.warning("the hidden items stay as they are: %s", error)

    def hurry(self) -> None:
        """Look for new items at once."""
        self._wake.set()

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        self._hidden_reader.close()
        self._reader.close()

    def _follow(self) -> None:
        """Embed what comes, until closed."""
        is_behind = False
        while not self._stop.is_set():
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            try:
                is_behind |= self._reader.has_changed()
                if is_behind:
                    self._catch_up()
                    is_behind = False
            except Exception:  # this thread must not end
                logger.exception("new items are not read, and tried again in %g s", RETRY_SECONDS)
                self._stop.wait(RETRY_SECONDS)

    def _catch_up(self) -> None:
        """Embed everything that the store has, and let the answers see it."""
        sequence, failed = self.new.sequence, dict(self.new.failed)
        while not self._stop.is_set() and (stored := self._reader.read(sequence, ITEMS_AT_ONCE)):
            for each in stored:
                failed.pop(each.item.item_id, None)
            failed |= self._take([each.item for each in stored])
            sequence = stored[-1].sequence
        if sequence != self.new.sequence:
            corpus = new_corpus(self._items, self._judged.fields) if self._items else None
            self.new = NewItems(sequence=sequence, corpus=corpus, failed=failed)

    def _take(self, items: list[NewItem]) -> dict[str, str]:
        """Embed items, and return the reasons for those that are left out."""
        failed: dict[str, str] = {}
        wanted: list[NewItem] = []
        for item in (item for item in items if self._judged.row(item.item_id) is None):
            try:
                wanted.append(self._conformed(item))
            except FieldError as error:
                failed[item.item_id] = str(error)
        room = self._most - len(self._items)
        beyond = [item.item_id for item in wanted if item.item_id not in self._items][max(room, 0) :]
        failed |= dict.fromkeys(beyond, f"the release has {self._most:,} new items, and takes no more")
        embedded, broken = self._embedded([item for item in wanted if item.item_id not in failed])
        self._items |= embedded
        failed |= broken
        for id_, why in failed.items():
            self._items.pop(id_, None)
            logger.warning("new item %r is left out: %s", id_, why)
        return failed

    def _conformed(self, item: NewItem) -> NewItem:
        """Item under the schema of this release. FieldError if that does not allow it."""
        names = {feature.name for feature in item_features(self._release.schema)}
        fields = {name: value for name, value in item.fields.items() if name in names}
        return parse_item({ITEM_ID: item.item_id, **fields}, self._release.schema)

    def _embedded(self, items: list[NewItem]) -> tuple[dict[str, tuple[NewItem, np.ndarray]], dict[str, str]]:
        """Items with their vectors, and the reasons for those that have none."""
        if not items:
            return {}, {}
        self._tower = self._tower or NewItemTower(self._release)
        try:
            vectors_MD = self._tower.embed(items)
        except ValueError as error:
            if len(items) == 1:
                return {}, {items[0].item_id: str(error)}
            parts = [self._embedded([item]) for item in items]
            return (
                {id_: found for embedded, _ in parts for id_, found in embedded.items()},
                {id_: why for _, broken in parts for id_, why in broken.items()},
            )
        return {item.item_id: (item, vector_D) for item, vector_D in zip(items, vectors_MD, strict=True)}, {}
