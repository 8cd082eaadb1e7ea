"""Items of one release in memory: ids, stored fields, and a search among their vectors.

Legend: N items, K results.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID
from serving.answer import Recommended
from serving.guard import Guard
from serving.index.base import Fields, ItemIndex
from serving.index.exact import ExactIndex
from serving.index.lite_files import open_index
from serving.index.milvus import MilvusIndex
from serving.ranking import NOTHING
from serving.search import GuardedSearcher, IndexSearcher, ItemFields, MemorySearcher, Searcher
from serving.settings import Settings
from serving.variables import MILVUS


@contextmanager
def open_corpus(settings: Settings, fields: Fields, name: str) -> Iterator[Corpus]:
    """Yield the items of a collection of the store of record, with the searcher that the settings choose.

    Args:
        settings: the home, its services and the searcher.
        fields: the stored fields.
        name: the collection.

    Raises:
        LookupError: there is no such collection.
    """
    by_milvus = settings.search == MILVUS
    with MilvusIndex(settings, fields) if by_milvus else open_index(settings, fields, name) as index:
        yield Corpus.of(index, name, fields)


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """Items of one release, in order of id."""

    items: pl.DataFrame
    """item_id and the stored fields."""
    fields: Fields
    """The stored fields, some of which a filter may name."""
    searcher: Searcher
    """Search among their vectors."""
    filterable: ItemFields
    """The fields that a filter may name, as arrays."""

    @classmethod
    def of(cls, index: ItemIndex, name: str, fields: Fields) -> Self:
        """Read a collection of the index. Milvus searches itself where the settings say so.

        Args:
            index: the item index.
            name: name of the collection.
            fields: the stored fields.
        """
        items, vectors_ND = index.contents(name)
        if isinstance(index, MilvusIndex) and index.settings.search == MILVUS:
            filterable = ItemFields.of(items, fields)
            return cls(items=items, fields=fields, searcher=_by_milvus(index, name), filterable=filterable)
        graph = index.graph(name) if isinstance(index, ExactIndex) else None
        memory = MemorySearcher.build(items, vectors_ND, fields, graph=graph)
        return cls(items=items, fields=fields, searcher=memory, filterable=memory.fields)

    @property
    def ids(self) -> Sequence[str]:
        """Item ids, sorted."""
        return self.searcher.ids

    def matches(self, where: str | None) -> np.ndarray | None:
        """Items that a filter allows, bool [N]; None for all.

        Raises:
            FilterError: a filter that cannot be used.
        """
        return self.filterable.matching(where)

    def rows(self, ids: Iterable[str]) -> np.ndarray:
        """Rows of items, int64; ids that are not there are left out."""
        found = map(self._row_of.get, ids)
        return np.array([row for row in found if row is not None], np.int64)

    def row(self, id_: str) -> int | None:
        """Row of an item; None if it is not there."""
        return self._row_of.get(id_)

    def recommended(self, rows_K: np.ndarray, scores_K: np.ndarray) -> tuple[Recommended, ...]:
        """Items of one list, without its empty ranks.

        Args:
            rows_K: rows of the items, best first.
            scores_K: their scores.
        """
        rows_K, scores_K = rows_K[rows_K != NOTHING], scores_K[rows_K != NOTHING]
        found = zip(rows_K.tolist(), scores_K.tolist(), self.stored(rows_K), strict=True)
        return tuple(
            Recommended(item_id=self.ids[row], score=score, fields=fields, new=self.is_new(row))
            for row, score, fields in found
        )

    def is_new(self, row: int) -> bool:
        """Whether an item is not of the judged corpus."""
        return False

    def stored(self, rows_K: np.ndarray) -> list[dict[str, Any]]:
        """Stored fields of items by name."""
        columns = self._columns.items()
        return [{name: values[row] for name, values in columns} for row in rows_K.tolist()]

    @cached_property
    def _columns(self) -> dict[str, list[Any]]:
        """Stored fields as Python values: a data frame of a few rows costs more than all else in an answer."""
        return {name: self.items[name].to_list() for name in self.items.columns if name != ITEM_ID}

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {id_: row for row, id_ in enumerate(self.ids)}


def _by_milvus(index: MilvusIndex, name: str) -> Searcher:
    """Search by Milvus, behind a guard where the settings give it a limit."""
    searcher, seconds = IndexSearcher(index, name), index.settings.search_seconds
    if seconds is None:
        return searcher
    from pymilvus.exceptions import MilvusException

    return GuardedSearcher(searcher, Guard("Milvus", seconds, errors=(OSError, MilvusException)))
