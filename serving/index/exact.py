"""Exact search in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID
from serving.index import filters
from serving.index.base import (
    QUERIES_AT_ONCE,
    CollectionInfo,
    Fields,
    Hits,
    checked,
    checked_queries,
    fingerprint,
)


class ExactIndex:
    """The reference of the index contract, and the oracle of index recall."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields
        self._collections: dict[str, tuple[CollectionInfo, pl.DataFrame, np.ndarray]] = {}
        self._graphs: dict[str, np.ndarray] = {}
        self._aliases: dict[str, str] = {}

    def build(self, name: str, items: pl.DataFrame, vectors_ND: np.ndarray) -> CollectionInfo:
        items, vectors_ND = checked(items, vectors_ND, self.fields)
        info = CollectionInfo(
            name=name, rows=len(items), dim=vectors_ND.shape[1], fingerprint=fingerprint(items), complete=True
        )
        if name in self._collections and not same(self._collections[name], info, vectors_ND):
            raise ValueError(in_place(name))
        self._collections[name] = (info, items, vectors_ND)
        return info

    def hold(
        self, info: CollectionInfo, items: pl.DataFrame, vectors_ND: np.ndarray, graph: np.ndarray | None = None
    ) -> None:
        """Take a collection that was checked when it was stored.

        Args:
            info: its description.
            items: item_id and the fields, in order of id.
            vectors_ND: their vectors.
            graph: search graph that was stored with it.
        """
        self._collections[info.name] = (info, items, vectors_ND)
        if graph is not None:
            self._graphs[info.name] = graph

    def graph(self, name: str) -> np.ndarray | None:
        """Return the search graph that was stored with a collection; None if there is none."""
        return self._graphs.get(name)

    def info(self, name: str) -> CollectionInfo | None:
        return self._collections[name][0] if name in self._collections else None

    def search(self, name: str, vectors_QD: np.ndarray, k: int, where: str | None = None) -> Hits:
        info, items, vectors_ND = self._open(name)
        queries_QD = checked_queries(vectors_QD, k, info)
        stored = items[ITEM_ID]
        if (parsed := self.fields.parse(where)) is not None:
            matches = items.select(filters.to_polars(parsed)).to_series()
            stored, vectors_ND = stored.filter(matches), vectors_ND[matches.to_numpy()]
        ids: list[list[str]] = []
        scores: list[np.ndarray] = []
        for start in range(0, len(queries_QD), QUERIES_AT_ONCE):
            scores_QN = queries_QD[start : start + QUERIES_AT_ONCE] @ vectors_ND.T
            for scores_N in scores_QN:
                best_K = best_rows(scores_N, k)
                ids.append(stored.gather(best_K).to_list())
                scores.append(scores_N[best_K])
        return Hits(ids, scores)

    def fetch(self, name: str, ids: Sequence[str], where: str | None = None) -> dict[str, dict[str, Any]]:
        _, items, _ = self._open(name)
        return {row.pop(ITEM_ID): row for row in items[self._matching(name, ids, where)].to_dicts()}

    def vectors(self, name: str, ids: Sequence[str], where: str | None = None) -> dict[str, np.ndarray]:
        _, items, vectors_ND = self._open(name)
        rows = self._matching(name, ids, where)
        return dict(zip(items[ITEM_ID][rows], vectors_ND[rows], strict=True))

    def ids(self, name: str) -> list[str]:
        return self._open(name)[1][ITEM_ID].to_list()

    def contents(self, name: str) -> tuple[pl.DataFrame, np.ndarray]:
        _, items, vectors_ND = self._open(name)
        return items, vectors_ND

    def _matching(self, name: str, ids: Sequence[str], where: str | None) -> np.ndarray:
        """Rows of the wanted items that match the filter."""
        parsed = self.fields.parse(where)
        wanted = pl.col(ITEM_ID).is_in(list(ids))
        chosen = wanted if parsed is None else wanted & filters.to_polars(parsed)
        return self._open(name)[1].select(chosen.arg_true()).to_series().to_numpy()

    def drop(self, name: str, *, kept: Iterable[str] = ()) -> None:
        refuse_drop(name, [alias for alias, target in self._aliases.items() if target == name], kept)
        self._collections.pop(name, None)

    def point(self, alias: str, name: str) -> None:
        self._open(name)
        self._aliases[alias] = name

    def target(self, alias: str) -> str | None:
        return self._aliases.get(alias)

    def _open(self, name: str) -> tuple[CollectionInfo, pl.DataFrame, np.ndarray]:
        if name not in self._collections:
            raise LookupError(f"no collection {name!r}; there are {sorted(self._collections)}")
        return self._collections[name]


def best_rows(scores_N: np.ndarray, k: int) -> np.ndarray:
    """Rows of the k highest scores, best first; of equal scores the first rows."""
    rows = np.arange(len(scores_N))
    if k < len(scores_N):
        rows = np.flatnonzero(scores_N >= np.partition(scores_N, -k)[-k])
    best: np.ndarray = rows[np.argsort(-scores_N[rows], kind="stable")[:k]]
    return best


def same(stored: tuple[CollectionInfo, pl.DataFrame, np.ndarray], info: CollectionInfo, vectors_ND: np.ndarray) -> bool:
    """Compare a stored collection with a new build.

    Args:
        stored: description, items and vectors of the collection.
        info: description of the build.
        vectors_ND: vectors of the build.
    """
    # The same weights give other last bits on another machine or number of threads.
    return stored[0] == info and np.allclose(stored[2], vectors_ND, atol=1e-3)


def in_place(name: str) -> str:
    """Word the refusal to change a collection in place."""
    return (
        f"{name} is complete and holds other items or embeddings: a collection is never changed in place; drop it first"
    )


def refuse_drop(name: str, aliases: Sequence[str], kept: Iterable[str]) -> None:
    """Raise ValueError if the collection is in use.

    Args:
        name: the collection.
        aliases: aliases that point at it.
        kept: collections of the releases that are kept.
    """
    if aliases:
        raise ValueError(f"{name} is not dropped: the alias {', '.join(aliases)} points at it")
    if name in set(kept):
        raise ValueError(f"{name} is not dropped: a kept release serves from it")
