"""Item store: idempotent, durable, bounded; its reader sees each change once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from feature_repo.events import sqlite_file
from feature_repo.items.reader import ItemReader
from feature_repo.items.store import ItemStore, ItemStoreBusyError, ItemStoreError, ItemStoreFullError, Outcome, Room
from tests.unit.feature_repo.events.events_world import NOW
from tests.unit.feature_repo.items.items_world import item

NEW, REPLACED, KNOWN = Outcome


@pytest.fixture
def store(tmp_path: Path) -> ItemStore:
    return ItemStore(tmp_path / "items" / "shop.db")


@pytest.fixture
def reader(store: ItemStore) -> Iterator[ItemReader]:
    found = ItemReader(store.path)
    yield found
    found.close()


def test_an_item_counts_once_and_another_content_replaces_it(store: ItemStore) -> None:
    assert store.put([item("n1"), item("n2")], NOW) == ([NEW, NEW], 2)
    assert store.put([item("n2"), item("n3")], NOW) == ([KNOWN, NEW], 3)
    later = NOW + timedelta(days=1)
    assert store.put([item("n1", list_price=3), item("n1", list_price=4), item("n1", list_price=4)], later) == (
        [REPLACED, REPLACED, KNOWN],
        5,
    )
    found = ItemStore(store.path).read()
    assert [(each.sequence, each.item.item_id) for each in found] == [(2, "n2"), (3, "n3"), (5, "n1")]
    assert found[-1].item == item("n1", list_price=4)
    assert {each.arrived for each in found} == {NOW}
    assert [each.sequence for each in store.read(after=2, limit=1)] == [3]


def test_a_store_that_is_full_keeps_nothing_of_the_call(store: ItemStore) -> None:
    small = ItemStore(store.path, max_items=2)
    small.put([item("n1")], NOW)
    with pytest.raises(ItemStoreFullError, match="the store holds 2"):
        small.put([item("n1", list_price=3), item("n2"), item("n3")], NOW)
    assert [each.item for each in small.read()] == [item("n1")]


def test_a_release_that_is_full_takes_no_more_of_those_that_its_reader_does_not_know(store: ItemStore) -> None:
    store.put([item("n1")], NOW)
    seen = Room(sequence=1, count=1, most=3)
    store.put([item("n2")], NOW, seen)
    with pytest.raises(ItemStoreFullError, match="4 new items; a release takes 3"):
        store.put([item("n3"), item("n4")], NOW, seen)
    assert [each.item.item_id for each in store.read()] == ["n1", "n2"]
    store.put([item("n3"), item("n3")], NOW, seen)
    assert store.put([item("n2")], NOW, seen) == ([KNOWN], 3)
    full = Room(sequence=3, count=3, most=3, known=["n1"])
    assert store.put([item("n1", list_price=3)], NOW, full) == ([REPLACED], 4)
    with pytest.raises(ItemStoreFullError):
        store.put([item("n4")], NOW, full)


def test_of_many_who_saw_the_same_room_as_many_as_fit_are_kept(store: ItemStore) -> None:
    seen = Room(sequence=0, count=0, most=3)

    def put(number: int) -> bool:
        try:
            ItemStore(store.path).put([item(f"n{number}")], NOW, seen)
        except ItemStoreFullError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        kept = list(pool.map(put, range(6)))
    assert (sum(kept), len(store.read())) == (3, 3)


def test_hidden_items_are_kept_with_their_time(store: ItemStore) -> None:
    store.hide(["a", "b"], NOW)
    store.hide(["b"], NOW + timedelta(days=1))
    assert ItemStore(store.path).hidden() == {"a": NOW, "b": NOW}
    store.show(["a", "never hidden"])
    assert store.hidden() == {"b": NOW}


def test_a_reader_sees_each_change_once(store: ItemStore, reader: ItemReader) -> None:
    assert reader.has_changed()
    assert not reader.has_changed()
    store.hide(["a"], NOW)
    assert (reader.has_changed(), reader.has_changed()) == (True, False)
    assert reader.hidden() == {"a"}
    store.put([item("n1")], NOW)
    assert reader.has_changed()
    assert [each.item for each in reader.read(0, 10)] == [item("n1")]


def test_a_reader_waits_for_a_file(tmp_path: Path) -> None:
    reader = ItemReader(tmp_path / "later.db")
    assert not reader.has_changed()
    ItemStore(tmp_path / "later.db").hide(["a"], NOW)
    assert reader.has_changed()
    assert reader.hidden() == {"a"}
    reader.close()


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "odd.db").write_bytes(b"no database" * 1_000)
    with pytest.raises(ItemStoreError, match=r"item store .*odd.db: file is not a database"):
        ItemStore(tmp_path / "odd.db")
    with pytest.raises(ItemStoreError, match="item store"):
        ItemReader(tmp_path / "odd.db").has_changed()


KILLED = dedent("""
    import os, signal, sys
    from pathlib import Path
    from feature_repo.items.store import ItemStore
    from tests.unit.feature_repo.events.events_world import NOW
    from tests.unit.feature_repo.items.items_world import item

    store = ItemStore(Path(sys.argv[1]))
    for number in range(20):
        store.put([item(f"n{number}")], NOW)
        store.hide([f"h{number}"], NOW)
    os.kill(os.getpid(), signal.SIGKILL)
""")


def test_a_crash_after_the_answer_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(path)], env={**os.environ, "PYTHONPATH": str(Path.cwd())}, timeout=60
    )
    assert ended.returncode == -signal.SIGKILL
    assert [each.item.item_id for each in ItemStore(path).read()] == [f"n{number}" for number in range(20)]
    assert set(ItemStore(path).hidden()) == {f"h{number}" for number in range(20)}


def test_a_reader_never_finds_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, make = tmp_path / "shop.db", sqlite_file._make

    def watched(partial: Path, kind: sqlite_file.FileKind) -> None:
        make(partial, kind)
        assert not path.exists()

    monkeypatch.setattr(sqlite_file, "_make", watched)
    ItemStore(path)
    monkeypatch.undo()
    assert ItemReader(path).hidden() == frozenset()


def test_a_store_that_hosts_share_leaves_wal_for_all_of_them(store: ItemStore) -> None:
    """WAL lies beside the file, and two hosts would not see the same of it."""
    store.put([item("n1")], NOW)
    shared = ItemStore(store.path, is_shared=True)
    with closing(ItemReader(store.path)) as reader:
        assert reader.has_changed()
        for number, each in enumerate((shared, ItemStore(store.path))):  # whoever opens it later follows
            each.put([item(f"m{number}")], NOW)
            assert {path.name for path in store.path.parent.iterdir()} == {"shop.db", "shop.db.lock"}
            assert reader.has_changed() and not reader.has_changed()
        assert [found.item.item_id for found in reader.read(0, 10)] == ["n1", "m0", "m1"]


def test_a_file_in_use_does_not_leave_wal_unnoticed(store: ItemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "WAIT_SECONDS", 0.1)
    store.put([item("n1")], NOW)
    with closing(ItemReader(store.path)) as reader:
        assert reader.has_changed()
        with pytest.raises(ItemStoreBusyError, match="another process has held it"):
            ItemStore(store.path, is_shared=True)
