"""The items of a release together with those that came since: one corpus, two searchers.

Rows of the release stay what they are, and the new items lie behind them. Whatever works on a corpus, such as filters,
stored fields, similar items and explanations, so works on both.

Legend: N items of both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from serving.corpus import Corpus
from serving.search.joined import JoinedSearcher


@dataclass(frozen=True, kw_only=True, eq=False)
class JoinedCorpus(Corpus):
    """A `Corpus` of two. Nothing is computed over the items of the first, which may be many."""

    judged: Corpus
    """Items of the release, as it was judged."""
    new: Corpus
    """Items that came since; no id is in both."""

    @classmethod
    def join(cls, judged: Corpus, new: Corpus) -> Self:
        """Put the items of a corpus behind those of another."""
        return cls(
            items=pl.concat([judged.items, new.items]),
            fields=judged.fields,
            searcher=JoinedSearcher(judged.searcher, new.searcher),
            filterable=judged.filterable,
            judged=judged,
            new=new,
        )

    def matches(self, where: str | None) -> np.ndarray | None:
        """Items that a filter allows, as of `Corpus.matches`."""
        first_N, second_N = self.judged.matches(where), self.new.matches(where)
        return None if first_N is None or second_N is None else np.concatenate([first_N, second_N])

    def rows(self, ids: Iterable[str]) -> np.ndarray:
        """Rows of items, as of `Corpus.rows`."""
        found = map(self.row, ids)
        return np.array([row for row in found if row is not None], np.int64)

    def row(self, id_: str) -> int | None:
        """Row of an item; None if it is not there."""
        row = self.judged.row(id_)
        if row is None and (own := self.new.row(id_)) is not None:
            return len(self.judged.ids) + own
        return row

    def stored(self, rows_K: np.ndarray) -> list[dict[str, Any]]:
        """Stored fields of items by name."""
        start = len(self.judged.ids)
        behind_K = rows_K >= start
        if not behind_K.any():
            return self.judged.stored(rows_K)
        first = iter(self.judged.stored(rows_K[~behind_K]))
        second = iter(self.new.stored(rows_K[behind_K] - start))
        return [next(second) if behind else next(first) for behind in behind_K]

    def is_new(self, row: int) -> bool:
        """Whether an item is not of the judged corpus."""
        return row >= len(self.judged.ids)
