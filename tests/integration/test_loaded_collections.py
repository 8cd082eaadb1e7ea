"""Collections leave the memory of Milvus when the index that loaded them closes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.settings import Settings
from tests.integration.index_world import ITEMS, SCHEMA, VECTORS_ND, settings_in

FIELDS = Fields.of(SCHEMA)
FIRST, SECOND = "shop_items_v1", "shop_items_v2"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def watcher(settings: Settings) -> Iterator[MilvusIndex]:
    """An index that keeps the engine running, as a server does; both collections were built by others."""
    with MilvusIndex(settings, FIELDS) as watcher:
        watcher.names()
        for name in (FIRST, SECOND):
            with MilvusIndex(settings, FIELDS) as index:
                index.build(name, ITEMS, VECTORS_ND)
        yield watcher


def loaded(watcher: MilvusIndex) -> set[str]:
    states = {name: watcher._client.get_load_state(name)["state"].name for name in (FIRST, SECOND)}
    return {name for name, state in states.items() if state == "Loaded"}


def test_what_an_index_has_loaded_is_released_when_it_closes(settings: Settings, watcher: MilvusIndex) -> None:
    assert loaded(watcher) == set()  # a build has loaded them
    with MilvusIndex(settings, FIELDS) as index:
        index.search(FIRST, VECTORS_ND[:1], 3)
        assert loaded(watcher) == {FIRST}
    assert loaded(watcher) == set()
    with pytest.raises(RuntimeError), MilvusIndex(settings, FIELDS) as index:
        index.info(SECOND)
        raise RuntimeError
    assert loaded(watcher) == set()


def test_the_champions_collection_stays_until_another_is_champion(settings: Settings, watcher: MilvusIndex) -> None:
    for name in (FIRST, SECOND):
        with MilvusIndex(settings, FIELDS) as index:
            index.point("shop_items", name)
        with MilvusIndex(settings, FIELDS) as index:
            index.search(name, VECTORS_ND[:1], 3)
        assert loaded(watcher) == {name}


def test_a_reader_whose_collection_another_has_released_loads_it_again(
    settings: Settings, watcher: MilvusIndex
) -> None:
    with MilvusIndex(settings, FIELDS) as reader:
        wanted = reader.search(FIRST, VECTORS_ND[:2], 3)
        for read in (
            lambda: reader.search(FIRST, VECTORS_ND[:2], 3).ids == wanted.ids,
            lambda: reader.fetch(FIRST, ["i001"])["i001"]["title"] == "Item 1",
            lambda: len(reader.contents(FIRST)[0]) == len(ITEMS),
        ):
            watcher._client.release_collection(FIRST)
            assert read()
