"""A grown release serves, and index recall is that of the search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from serving.corpus import Corpus
from serving.open import open_retriever
from tests.benchmarks.service.grown import Grown, grow, moved
from tests.benchmarks.service.recall import K, recall, recall_rows
from tests.benchmarks.service.users import corpus_of, vectors_of
from tests.integration.release_world import DATASET, ITEMS
from tests.integration.serving_world import released_home

USERS = [f"user{number:02}" for number in range(20)]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grown]:
    root = tmp_path_factory.mktemp("grown")
    yield grow(released_home(root, versions=1), DATASET, 2_000, root / "grown", seed=0)


def test_a_grown_release_serves_with_filters_that_keep_their_share(grown: Grown) -> None:
    with open_retriever(grown.settings, DATASET) as retriever:
        items = retriever.recommend(USERS[0], 1_500).items
        few = retriever.recommend(USERS[0], 1_500, grown.keeping(0.05)).items
    assert len({item.item_id for item in items}) == 1_500
    assert len(few) == 100


def test_every_item_of_the_release_is_there_once_beside_its_copies(grown: Grown) -> None:
    ids = corpus_of(grown.settings, DATASET).ids
    assert set(ITEMS["item_id"]) <= set(ids)
    assert len(ids) == 2_000
    assert {id_.partition("~")[0] for id_ in ids} == set(ITEMS["item_id"])


def test_copies_are_unit_vectors_near_their_item_and_items_stay() -> None:
    rng = np.random.default_rng(0)
    item_ND = rng.normal(size=(40, 64)).astype(np.float32)
    item_ND /= np.linalg.norm(item_ND, axis=1, keepdims=True)
    is_copy_N = np.arange(40) % 2 == 1
    found = moved(item_ND, is_copy_N, rng)
    assert np.array_equal(found[~is_copy_N], item_ND[~is_copy_N])
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    assert (found * item_ND).sum(axis=1)[is_copy_N] == pytest.approx(1 / np.hypot(1, 0.3), abs=0.05)


def test_recall_is_that_of_the_search(grown: Grown) -> None:
    corpus, users = corpus_of(grown.settings, DATASET), vectors_of(grown.settings, DATASET, USERS)
    rows = list(recall_rows(corpus, users, [None, grown.keeping(0.5), grown.keeping(0.005)]))
    assert [row.count("1.0000") for row in rows] == [len(K)] * 3
    assert "50.0%" in rows[1] and "0.5%" in rows[2]
    blind = replace(corpus, searcher=_Blind(corpus))  # type: ignore[arg-type]
    assert recall(blind, users, 20, None) == pytest.approx(0.5)


class _Blind:
    """A searcher that finds every second of the best items."""

    def __init__(self, corpus: Corpus) -> None:
        self._searcher, self.vectors, self.ids = corpus.searcher, corpus.searcher.vectors, corpus.ids

    def search(self, user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        rows, scores = self._searcher.search(user_QD, k, allowed_N)
        return rows[:, ::2], scores[:, ::2]
