"""Search over the vectors of one release, in process or in Milvus, and its filters."""

from serving.search.base import NO_PAIRS, Dropped, Found, Searcher
from serving.search.by_index import IndexSearcher
from serving.search.fields import ItemFields
from serving.search.guarded import GuardedSearcher
from serving.search.memory import MemorySearcher

__all__ = [
    "NO_PAIRS",
    "Dropped",
    "Found",
    "GuardedSearcher",
    "IndexSearcher",
    "ItemFields",
    "MemorySearcher",
    "Searcher",
]
