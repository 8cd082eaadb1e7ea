"""Embedding of new items: the tower reads what it would read, had a run known them."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from feature_repo.datasets import tiny
from feature_repo.encode import Encoder
from feature_repo.items.history import with_new_items
from feature_repo.items.item import NewItem
from feature_repo.items.store import StoredItem
from feature_repo.schema import ENTITY_TIME, ITEM_ID, Entity
from feature_repo.tables.build import feature_tables
from feature_repo.tables.join import join_as_of
from serving.index.base import Fields
from serving.new_items import NewItemTower, new_corpus
from tests.unit.feature_repo.items.items_world import item

TABLES, FEATURES = tiny.generate(seed=0), tiny.SCHEMA.features_of(Entity.ITEM)
CUT, WEEK = datetime(2024, 3, 21, 7), datetime(2024, 3, 18)
NEW = [item("n1", released="2023-12-24"), item("n2", tags=None, list_price=None, picture=None, released=None)]


def read_by_a_run(items: list[NewItem]) -> pl.DataFrame:
    """Rows of all items at the cut, by the code of a run that knows some more."""
    stored = [StoredItem(sequence=n, arrived=CUT, item=each) for n, each in enumerate(items)]
    tables = with_new_items(TABLES, stored, CUT)
    asked = tables.items.select(ITEM_ID, pl.lit(WEEK, pl.Datetime("us")).alias(ENTITY_TIME))
    return join_as_of(asked, feature_tables(tables, Entity.ITEM, [CUT]), Entity.ITEM)


class Tower:
    """Item tower that keeps what it reads."""

    def __init__(self) -> None:
        frame = read_by_a_run([])
        self.encoder = Encoder.fit(ITEM_ID, FEATURES, frame, ids=frame[ITEM_ID])
        self.vector = [0.6, 0.8]

    def program(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        self.arrays = arrays
        return np.array([self.vector] * len(arrays[ITEM_ID]), np.float32)


def opened(tower: Tower) -> NewItemTower:
    release: Any = SimpleNamespace(
        towers=SimpleNamespace(item=tower), manifest=SimpleNamespace(cut=CUT), schema=tiny.SCHEMA
    )
    return NewItemTower(release)


def test_a_new_item_is_encoded_as_a_run_would() -> None:
    tower = Tower()
    opened(tower).embed(NEW)
    rows = read_by_a_run(NEW).filter(pl.col(ITEM_ID).is_in(["n1", "n2"]))
    wanted = tower.encoder.encode(rows)
    assert tower.arrays.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(tower.arrays[name], array, err_msg=name)


def test_times_of_after_the_cut_count_as_of_the_cut() -> None:
    tower = Tower()
    opened(tower).embed([item("n1", released="2024-06-01"), item("n2", released=WEEK.isoformat())])
    for array in tower.arrays.values():
        np.testing.assert_array_equal(array[0], array[1])


def test_a_vector_that_is_none_is_refused() -> None:
    tower = Tower()
    tower.vector = [np.nan, 1.0]
    with pytest.raises(ValueError, match="not finite and of length 1"):
        opened(tower).embed(NEW)


def test_stored_fields_are_those_of_the_item() -> None:
    fields = Fields.of(tiny.SCHEMA)
    vectors_MD = np.eye(2, 4, dtype=np.float32)
    items = {each.item_id: (each, vector_D) for each, vector_D in zip(reversed(NEW), vectors_MD, strict=True)}
    corpus = new_corpus(items, fields)
    assert list(corpus.ids) == ["n1", "n2"]
    assert corpus.stored(np.array([1])) == [{"category": "tea", "title": "Green tea no. n1"}]
    np.testing.assert_array_equal(corpus.searcher.vectors(corpus.rows(["n2", "n1"])), vectors_MD)
