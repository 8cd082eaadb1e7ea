"""Items of one release in memory: ids, stored fields, and a search among their vectors.

Legend: N items, K results.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID
from serving.answer import Recommended
from serving.index.base import Fields, ItemIndex
from serving.ranking import NOTHING
from serving.search import MemorySearcher


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """Items of one release, in order of id."""

    items: pl.DataFrame
    """item_id and the stored fields."""
    fields: Fields
    """The stored fields, some of which a filter may name."""
    searcher: MemorySearcher
    """Search among their vectors."""

    @classmethod
    def of(cls, index: ItemIndex, name: str, fields: Fields) -> Self:
        """Read a collection of the index.

        Args:
            index: the item index.
            name: name of the collection.
            fields: the stored fields.
        """
        items, vectors_ND = index.contents(name)
        return cls(items=items, fields=fields, searcher=MemorySearcher.build(items, vectors_ND, fields))

    @property
    def ids(self) -> Sequence[str]:
        """Item ids, sorted."""
        return self.searcher.ids

    def matches(self, where: str | None) -> np.ndarray | None:
        """Items that a filter allows, bool [N]; None for all.

        Raises:
            FilterError: a filter that cannot be used.
        """
        return self.searcher.fields.matching(where)

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
        return tuple(Recommended(item_id=self.ids[row], score=score, fields=fields) for row, score, fields in found)

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
