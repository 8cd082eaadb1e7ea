"""The searcher that the settings choose, over one collection of the item index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from serving.index.base import Fields
from serving.index.lite_files import open_index
from serving.index.milvus import MilvusIndex
from serving.search.base import Searcher
from serving.search.by_index import IndexSearcher
from serving.search.fields import ItemFields
from serving.search.memory import MemorySearcher
from serving.settings import MEMORY, Settings


@contextmanager
def open_collection(settings: Settings, fields: Fields, name: str) -> Iterator[tuple[Searcher, ItemFields]]:
    """Yield a searcher over a collection, and the filterable fields of its items.

    Args:
        settings: the home, its services and the kind of searcher.
        fields: the stored fields.
        name: the collection.

    Raises:
        LookupError: there is no such collection.
    """
    if settings.search == MEMORY:
        with open_index(settings, fields, name) as stored:
            searcher = MemorySearcher.build(*stored.contents(name), fields)
        yield searcher, searcher.fields
    else:
        with MilvusIndex(settings, fields) as index:
            items, _ = index.contents(name)
            yield IndexSearcher(index, name), ItemFields.of(items, fields)
