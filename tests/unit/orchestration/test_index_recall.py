"""Recall of a searcher that loses items, against exact search."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_array

from feature_repo.schema import Entity, Feature, Kind, Schema, View
from orchestration import index_recall
from orchestration.index_recall import sampled_index_recall
from serving.corpus import Corpus
from serving.index.base import Fields
from serving.search import NO_PAIRS, Dropped, Found, MemorySearcher, memory

NUMBER, USERS = 60, 40
ITEMS = pl.DataFrame(
    {"item_id": [f"i{n:02d}" for n in range(NUMBER)], "group": ["b" if n % 3 == 0 else "a" for n in range(NUMBER)]}
)
GROUP = Feature(name="group", kind=Kind.CATEGORICAL, max_null_share=0, filterable=True)
PROFILE = View(name="item_profile", entity=Entity.ITEM, features=(GROUP,))
SCHEMA = Schema(dataset="shop", views=(PROFILE,), seen_items_may_return=True)


class LossySearcher(MemorySearcher):
    """Loses the second half of the lists of filtered searches; keeps the calls."""

    def search(
        self, user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None = None, dropped: Dropped = NO_PAIRS
    ) -> Found:
        self.calls = [*getattr(self, "calls", []), (len(user_QD), None if allowed_N is None else allowed_N.tolist())]
        rows_QK, scores_QK = super().search(user_QD, k, allowed_N, dropped)
        rows_QK[:, (k if allowed_N is None else k // 2) :] = -1
        return rows_QK, scores_QK


class ForgetfulSearcher(MemorySearcher):
    """Finds what it must not."""

    def search(
        self, user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None = None, dropped: Dropped = NO_PAIRS
    ) -> Found:
        return super().search(user_QD, k, allowed_N)


def vectors_of(items: int) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of the users, and of the items."""
    vectors = np.random.default_rng(0).normal(size=(USERS + items, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors[:USERS], vectors[USERS:]


def corpus_of(kind: type[MemorySearcher], items: pl.DataFrame = ITEMS) -> Corpus:
    fields = Fields.of(SCHEMA)
    searcher = kind.build(items, vectors_of(NUMBER)[1], fields)
    return Corpus(items=items, fields=fields, searcher=searcher, filterable=searcher.fields)


def measured(
    corpus: Corpus, users: int, items: pl.DataFrame = ITEMS, seen: csr_array | None = None
) -> tuple[float, int]:
    user_QD, item_ND = vectors_of(NUMBER)
    seen = None if seen is None else seen[:users]
    return sampled_index_recall(corpus, SCHEMA, items, user_QD[:users], item_ND, seen, k=10, seed=0)


def test_the_lowest_recall_of_the_filters_counts() -> None:
    assert measured(corpus_of(MemorySearcher), USERS) == (1.0, USERS)
    assert measured(corpus_of(LossySearcher), USERS) == (0.5, USERS)


def test_a_seeded_sample_of_users_is_asked_for_once_a_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_recall, "USERS", 16)
    corpus = corpus_of(LossySearcher)
    assert measured(corpus, USERS) == (0.5, 16)
    filtered = (ITEMS["group"] == "a").to_list()
    assert corpus.searcher.calls == [(4, None)] * 4 + [(4, filtered)] * 4
    assert measured(corpus, 9) == (0.5, 9)


def test_users_are_asked_for_as_the_service_asks() -> None:
    """Many queries at once are answered by an exact product, also where one query walks a graph that misses items."""
    assert index_recall.AT_ONCE < memory.MANY_QUERIES


def test_seen_items_are_left_out_by_the_search() -> None:
    user_QD, item_ND = vectors_of(NUMBER)
    seen = np.zeros((USERS, NUMBER), np.int8)
    np.put_along_axis(seen, np.argsort(-(user_QD @ item_ND.T), axis=1)[:, [0, 2, 5]], 1, axis=1)
    assert measured(corpus_of(MemorySearcher), USERS, seen=csr_array(seen)) == (1.0, USERS)
    assert measured(corpus_of(ForgetfulSearcher), USERS, seen=csr_array(seen))[0] <= 0.7
    assert measured(corpus_of(MemorySearcher), USERS, seen=csr_array(np.ones_like(seen))) == (1.0, USERS)


def test_a_corpus_in_another_order_has_the_same_recall() -> None:
    shuffled = np.random.default_rng(1).permutation(NUMBER)
    user_QD, item_ND = vectors_of(NUMBER)
    corpus = corpus_of(MemorySearcher)
    more = {"k": 10, "seed": 0}
    found = sampled_index_recall(
        corpus, SCHEMA, ITEMS[shuffled], user_QD, item_ND[shuffled], None, **more
    )  # fmt: skip
    assert found == (1.0, USERS)
    with pytest.raises(ValueError, match="holds 60 items, not the 59"):
        sampled_index_recall(corpus, SCHEMA, ITEMS[:-1], user_QD, item_ND[:-1], None, **more)


@pytest.mark.parametrize(
    ("values", "where"),
    [
        (["🛒"] * 40 + ["b"] * 20, "🛒"),
        (['a\u0001"\\\n'] * 60, 'a\u0001"\\\n'),
        (["x" * 70_000] * 40 + ["b"] * 20, "b"),
        (["x" * 70_000] * 60, None),
        ([None] * 60, None),
    ],
)
def test_the_most_frequent_value_that_fits_a_filter_is_asked_for(values: list[str | None], where: str | None) -> None:
    items = ITEMS.with_columns(group=pl.Series(values, dtype=pl.String))
    corpus = corpus_of(LossySearcher, items)
    assert measured(corpus, USERS, items=items) == (0.5 if where else 1.0, USERS)
    calls = corpus.searcher.calls
    asked = [mask for _, mask in calls if mask is not None]
    assert all(mask == [value == where for value in values] for mask in asked)
    assert sum(users for users, _ in calls) == (2 * USERS if where else USERS)


@pytest.mark.parametrize("numbers", [pl.Series(range(NUMBER)), pl.Series([None, float("nan"), *range(2, NUMBER)])])
def test_numbers_are_asked_for_from_their_upper_quartile_on(numbers: pl.Series) -> None:
    price = Feature(name="price", kind=Kind.NUMERIC, filterable=True)
    schema = Schema(
        dataset="shop", seen_items_may_return=True,
        views=(View(name="item_profile", entity=Entity.ITEM, features=(price,)),),
    )  # fmt: skip
    numbers = numbers.cast(pl.Float64)
    items, fields = ITEMS.with_columns(price=numbers), Fields.of(schema)
    user_QD, item_ND = vectors_of(NUMBER)
    searcher = LossySearcher.build(items, item_ND, fields)
    corpus = Corpus(items=items, fields=fields, searcher=searcher, filterable=searcher.fields)
    assert sampled_index_recall(corpus, schema, items, user_QD, item_ND, None, k=10, seed=0) == (0.5, USERS)
    (asked,) = {tuple(mask) for _, mask in searcher.calls if mask is not None}
    allowed, others = numbers.filter(pl.Series(asked)), numbers.filter(~pl.Series(asked)).fill_nan(None)
    assert NUMBER // 5 < len(allowed) < NUMBER // 3
    assert allowed.min() > others.max()  # type: ignore[operator]
    assert index_recall.filters_of(schema, items.with_columns(price=pl.lit(None, pl.Float64))) == {None: None}


def test_a_field_named_as_the_column_of_counts_is_asked_for() -> None:
    group = Feature(name="count", kind=Kind.CATEGORICAL, filterable=True)
    schema = Schema(
        dataset="shop", seen_items_may_return=True,
        views=(View(name="item_profile", entity=Entity.ITEM, features=(group,)),),
    )  # fmt: skip
    filters = index_recall.filters_of(schema, ITEMS.rename({"group": "count"}))
    assert list(filters) == [None, 'count == "a"']
