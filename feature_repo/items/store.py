"""Item store: new items and hidden items of a dataset, in an SQLite file.

An item has the number of its newest content, so that a reader behind a number finds what
has changed since. What is hidden is a list of ids, whoever lists the items.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from feature_repo.errors import InputError
from feature_repo.events.sqlite_file import FileKind, connect, explained, prepare
from feature_repo.items.item import NewItem
from feature_repo.utc import microseconds, of_microseconds

MAX_ITEMS = 100_000
"""Most items of a store."""
TABLES = """
CREATE TABLE IF NOT EXISTS items (sequence INTEGER PRIMARY KEY, item_id TEXT NOT NULL UNIQUE, arrived INTEGER NOT NULL,
fields TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS hidden (item_id TEXT PRIMARY KEY, since INTEGER NOT NULL);
"""
PUT = """
INSERT INTO items VALUES ((SELECT coalesce(max(sequence), 0) + 1 FROM items), ?, ?, ?)
ON CONFLICT (item_id) DO UPDATE SET sequence = (SELECT max(sequence) + 1 FROM items), fields = excluded.fields
"""
READ = "SELECT sequence, item_id, arrived, fields FROM items WHERE sequence > ? ORDER BY sequence LIMIT ?"
CAME = "SELECT count(*) FROM items WHERE sequence > ? AND item_id NOT IN (SELECT value FROM json_each(?))"
KNOWN = "SELECT item_id, fields FROM items WHERE item_id IN (SELECT value FROM json_each(?))"


class ItemStoreError(RuntimeError):
    """Store that cannot be written or read; nothing of the call has been kept."""


class ItemStoreBusyError(ItemStoreError):
    """Store that another process holds; the same call may succeed a little later."""


class ItemStoreFullError(InputError):
    """More new items than a store holds."""


KIND = FileKind(name="item store", format=1, tables=TABLES, failed=ItemStoreError, busy=ItemStoreBusyError)


class Outcome(StrEnum):
    """Outcome of putting an item into a store."""

    NEW = "new"
    REPLACED = "replaced"
    KNOWN = "known"


@dataclass(frozen=True, kw_only=True)
class StoredItem:
    """Item of a store."""

    sequence: int
    """Number of its newest content, from 1."""
    arrived: datetime
    """Time at which it was first put, naive UTC."""
    item: NewItem
    """The item."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """Room for new items in a release, as its reader saw it a moment ago."""

    sequence: int
    """Number of the store up to which the reader knows the items."""
    count: int
    """New items that the release has of those."""
    most: int
    """Most new items of a release."""
    known: Sequence[str] = ()
    """Ids that the release has: another content of theirs takes no room."""


class ItemStore:
    """Item store in one file, for many processes.

    Args:
        path: the file; made if missing.
        max_items: most items.
        is_shared: whether several hosts share the file.

    Raises:
        ItemStoreError: the file cannot be opened, or is no item store.
    """

    def __init__(self, path: Path, *, max_items: int = MAX_ITEMS, is_shared: bool = False) -> None:
        self.path, self._most = path, max_items
        path.parent.mkdir(parents=True, exist_ok=True)
        with explained(path, KIND):
            prepare(path, KIND, is_shared=is_shared)

    def put(self, items: Sequence[NewItem], now: datetime, room: Room | None = None) -> tuple[list[Outcome], int]:
        """Keep items: all, or none. They are on the disk when this returns.

        An item whose content the store has stays as it is; another content replaces it.

        Args:
            items: the items. Of several of one id, the last counts.
            now: present time.
            room: room in the release that is to have them; None where that does not count.

        Returns:
            Outcome of each, and the number up to which a reader knows them.

        Raises:
            ItemStoreFullError: more items than the store holds, or the release.
            ItemStoreError: the file cannot be written.
        """
        texts = [json.dumps(dict(each.fields), sort_keys=True) for each in items]
        with explained(self.path, KIND), closing(connect(self.path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            known = dict(connection.execute(KNOWN, (json.dumps([each.item_id for each in items]),)))
            outcomes = []
            for item, text in zip(items, texts, strict=True):
                outcomes.append(_outcome(known.get(item.item_id), text))
                if outcomes[-1] is not Outcome.KNOWN:
                    connection.execute(PUT, (item.item_id, microseconds(now), text))
                    known[item.item_id] = text
            count, newest = connection.execute("SELECT count(*), coalesce(max(sequence), 0) FROM items").fetchone()
            if count > self._most:
                raise ItemStoreFullError(
                    f"{count:,} new items; the store holds {self._most:,}: list them in the items file of the next run"
                )
            if room:
                _check_room(connection, room)
            connection.execute("COMMIT")
        return outcomes, int(newest)

    def hide(self, item_ids: Iterable[str], now: datetime) -> None:
        """Keep items out of all answers, durably."""
        rows = [(item_id, microseconds(now)) for item_id in item_ids]
        self._change("INSERT INTO hidden VALUES (?, ?) ON CONFLICT (item_id) DO NOTHING", rows)

    def show(self, item_ids: Iterable[str]) -> None:
        """Let hidden items be answered again."""
        self._change("DELETE FROM hidden WHERE item_id = ?", [(item_id,) for item_id in item_ids])

    def read(self, after: int = 0, limit: int = MAX_ITEMS) -> list[StoredItem]:
        """Items behind a number, in order.

        Args:
            after: number behind which they lie; 0 for the first.
            limit: largest number of items.
        """
        with explained(self.path, KIND), closing(connect(self.path)) as connection:
            return stored_items(connection.execute(READ, (after, limit)).fetchall())

    def hidden(self) -> dict[str, datetime]:
        """Hidden items, with the time since when."""
        with explained(self.path, KIND), closing(connect(self.path)) as connection:
            rows = connection.execute("SELECT item_id, since FROM hidden ORDER BY item_id")
            return {item_id: of_microseconds(since) for item_id, since in rows}

    def _change(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        with explained(self.path, KIND), closing(connect(self.path)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(statement, rows)
            connection.execute("COMMIT")


def stored_items(rows: Iterable[tuple[int, str, int, str]]) -> list[StoredItem]:
    """Items of rows of `READ`."""
    return [
        StoredItem(
            sequence=sequence,
            arrived=of_microseconds(arrived),
            item=NewItem(item_id=item_id, fields=json.loads(fields)),
        )
        for sequence, item_id, arrived, fields in rows
    ]


def _check_room(connection: sqlite3.Connection, room: Room) -> None:
    """Raise ItemStoreFullError if what came behind the reader is more than the release may take."""
    ((came,),) = connection.execute(CAME, (room.sequence, json.dumps(list(room.known))))
    if room.count + came > room.most:
        raise ItemStoreFullError(
            f"{room.count + came:,} new items; a release takes {room.most:,}: a run takes them in (`gatehouse run`)"
        )


def _outcome(known: str | None, text: str) -> Outcome:
    if known is None:
        return Outcome.NEW
    return Outcome.KNOWN if known == text else Outcome.REPLACED
