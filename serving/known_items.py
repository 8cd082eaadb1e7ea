"""Items that can be answered, and the message for one that cannot."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from difflib import get_close_matches

from feature_repo.items.store import ItemStore
from serving.index.base import Fields
from serving.registry.sqlite import open_registry
from serving.release.collection import open_served_index
from serving.release.load import champion_of
from serving.release.manifest import read
from serving.settings import Settings

NEIGHBOURS = 200
"""Ids on each side of an unknown one that are compared with it: all of them would take seconds."""


def known_items(settings: Settings, dataset: str) -> list[str]:
    """Items of the champion and of the item store.

    Args:
        settings: the home and its services.
        dataset: name of the dataset.

    Raises:
        ReleaseError: there is no champion, or its collection was changed.
    """
    registry = open_registry(settings, dataset)
    manifest = read(registry, champion_of(registry))
    with open_served_index(settings, manifest, Fields(types={})) as index:
        ids = index.ids(manifest.collection)
    path = settings.item_store(dataset)
    stored = ItemStore(path).read() if path.is_file() else []
    return [*ids, *(each.item.item_id for each in stored)]


def unknown_item(item_id: str, known: Sequence[str]) -> str:
    """Message for an unknown item, with the ids nearest to it."""
    ids = sorted(known)
    place = bisect_left(ids, item_id)
    near = get_close_matches(item_id, ids[max(0, place - NEIGHBOURS) : place + NEIGHBOURS], n=3)
    return f"no item {item_id!r}" + (f"; the nearest ids are {', '.join(map(repr, near))}" if near else "")
