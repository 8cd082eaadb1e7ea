"""New items of a release: embedded by its own item tower, and a small index of their own.

An item is embedded as the corpus was: as of the same week, by features that no event has
touched yet. So an item gets the vector that it would have got, had the run known it.

Legend: M new items, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from feature_repo.encode.request import RequestEncoder
from feature_repo.feature import Kind
from feature_repo.items.item import NewItem, item_features
from feature_repo.schema import ITEM_ID
from feature_repo.tables.snapshots import week_of
from feature_repo.utc import microseconds
from serving.corpus import Corpus
from serving.index.base import Fields, check_unit
from serving.release.load import Release
from serving.search import ItemFields, MemorySearcher


class NewItemTower:
    """Item tower of a release, for items that it was not trained with.

    Args:
        release: the release.
    """

    def __init__(self, release: Release) -> None:
        self._tower = release.towers.item
        self._encoder = RequestEncoder(self._tower.encoder)
        week = pl.select(week_of(pl.lit(release.manifest.cut, pl.Datetime("us")))).item()
        self._moment = microseconds(week)
        self._times = [each.name for each in item_features(release.schema) if each.kind is Kind.TIMESTAMP]

    def embed(self, items: Sequence[NewItem]) -> np.ndarray:
        """Embed items: float32 [M, D].

        Raises:
            ValueError: the tower cannot embed one of them.
        """
        rows = [self._row(item) for item in items]
        names = [name for feature in self._tower.encoder.features for name in feature.columns]
        # What only events tell is unknown, as it is of an item of the corpus without one.
        columns = {name: [row.get(name) for row in rows] for name in (ITEM_ID, *names)}
        arrays = self._encoder.encode(columns, np.full(len(rows), self._moment))
        vectors_MD = self._tower.program(arrays)
        check_unit(vectors_MD, [item.item_id for item in items])
        return vectors_MD

    def _row(self, item: NewItem) -> dict[str, Any]:
        """Columns of an item that has just come."""
        row = {ITEM_ID: item.item_id, **item.fields}
        for name in self._times:
            # It may be of after the cut, and no age of the training was negative.
            if row[name] is not None:
                row[name] = min(row[name], self._moment)
        return row


def new_corpus(items: Mapping[str, tuple[NewItem, np.ndarray]], fields: Fields) -> Corpus:
    """Items with a search among their vectors.

    Args:
        items: items and their vectors by id, at least one.
        fields: the stored fields.
    """
    found = [items[id_] for id_ in sorted(items)]
    rows = [{ITEM_ID: item.item_id, **{name: item.fields.get(name) for name in fields.types}} for item, _ in found]
    table = pl.DataFrame(rows, schema={ITEM_ID: pl.String(), **fields.types})
    vectors_MD = np.stack([vector_D for _, vector_D in found])
    filterable = ItemFields.of(table, fields)
    searcher = MemorySearcher(table[ITEM_ID].to_list(), vectors_MD, filterable)
    return Corpus(items=table, fields=fields, searcher=searcher, filterable=filterable)
