"""Recall of an index that loses items, against exact search."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from feature_repo.schema import Entity, Feature, Kind, Schema, View
from orchestration import index_recall
from orchestration.index_recall import sampled_index_recall
from serving.index.base import Fields, Hits
from serving.index.exact import ExactIndex

NUMBER, USERS = 60, 40
ITEMS = pl.DataFrame(
    {"item_id": [f"i{n:02d}" for n in range(NUMBER)], "group": ["b" if n % 3 == 0 else "a" for n in range(NUMBER)]}
)
GROUP = Feature(name="group", kind=Kind.CATEGORICAL, max_null_share=0, filterable=True)
PROFILE = View(name="item_profile", entity=Entity.ITEM, features=(GROUP,))
SCHEMA = Schema(dataset="shop", views=(PROFILE,), seen_items_may_return=True)


class LossyIndex(ExactIndex):
    """Loses the second half of the lists of filtered searches; keeps the calls."""

    def __init__(self) -> None:
        super().__init__(Fields.of(SCHEMA))
        self.calls: list[tuple[int, str | None]] = []

    def search(self, name: str, vectors_QD: np.ndarray, k: int, where: str | None = None) -> Hits:
        self.calls.append((len(vectors_QD), where))
        found = super().search(name, vectors_QD, k, where)
        kept = k // 2 if where else k
        return Hits([ids[:kept] for ids in found.ids], [scores[:kept] for scores in found.scores])


def measured(index: ExactIndex, users: int, seed: int = 0, items: pl.DataFrame = ITEMS) -> tuple[float, int]:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(USERS + NUMBER, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index.build("shop_1", items, vectors[USERS:])
    return sampled_index_recall(index, "shop_1", SCHEMA, items, vectors[:users], vectors[USERS:], k=10, seed=seed)


def test_the_lowest_recall_of_the_filters_counts() -> None:
    assert measured(ExactIndex(Fields.of(SCHEMA)), USERS) == (1.0, USERS)
    assert measured(LossyIndex(), USERS) == (0.5, USERS)


def test_a_seeded_sample_of_users_is_asked_for_once_a_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_recall, "USERS", 16)
    index = LossyIndex()
    assert measured(index, USERS) == (0.5, 16)
    assert index.calls == [(16, None), (16, 'group == "a"')]
    assert measured(index, 9) == (0.5, 9)


@pytest.mark.parametrize(
    ("values", "where"),
    [
        (["🛒"] * 40 + ["b"] * 20, 'group == "🛒"'),
        (['a\u0001"\\\n'] * 60, 'group == "a\u0001\\"\\\\\\n"'),
        (["x" * 70_000] * 40 + ["b"] * 20, 'group == "b"'),
        (["x" * 70_000] * 60, None),
        ([None] * 60, None),
    ],
)
def test_the_most_frequent_value_that_fits_a_filter_is_asked_for(values: list[str | None], where: str | None) -> None:
    items, index = ITEMS.with_columns(group=pl.Series(values, dtype=pl.String)), LossyIndex()
    assert measured(index, USERS, items=items) == (0.5 if where else 1.0, USERS)
    assert index.calls == [(USERS, None)] + ([(USERS, where)] if where else [])


def test_a_field_named_as_the_column_of_counts_is_asked_for() -> None:
    group = Feature(name="count", kind=Kind.CATEGORICAL, filterable=True)
    schema = Schema(
        dataset="shop", seen_items_may_return=True,
        views=(View(name="item_profile", entity=Entity.ITEM, features=(group,)),),
    )  # fmt: skip
    filters = index_recall._filters(schema, ITEMS.rename({"group": "count"}))
    assert list(filters) == [None, 'count == "a"']
