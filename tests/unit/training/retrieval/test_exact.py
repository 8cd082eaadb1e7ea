"""Exact search: its lists are those of a full sort, under any masks and in any blocks."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.training.retrieval.ranking_world import best_rows
from training.evaluation.holdout import item_sets
from training.retrieval import exact
from training.retrieval.exact import Mask, exact_search, score_search

USERS, ITEMS, DIM = 600, 120, 8


@pytest.fixture(scope="module")
def embeddings() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    # Whole numbers: scores are exact whatever the order of summation, and many of them tie.
    return rng.integers(-3, 4, (USERS, DIM)).astype(np.float32), rng.integers(-3, 4, (ITEMS, DIM)).astype(np.float32)


def test_exact_search_is_the_full_sort(embeddings: tuple[np.ndarray, np.ndarray]) -> None:
    user_QD, item_ND = embeddings
    rows = np.arange(USERS)[::-1]  # more than two blocks, not in order
    expected = np.argsort(-(user_QD[rows] @ item_ND.T), axis=1, kind="stable")[:, :10]
    np.testing.assert_array_equal(exact_search(user_QD, item_ND)()(rows, 10), expected)


def test_neither_excluded_items_nor_items_outside_the_corpus_are_found(
    embeddings: tuple[np.ndarray, np.ndarray],
) -> None:
    user_QD, item_ND = embeddings
    rng = np.random.default_rng(4)
    excluded = rng.uniform(size=(USERS, ITEMS)) < 0.5
    excluded[7] = True
    corpus = rng.uniform(size=ITEMS) < 0.5
    exclude = item_sets(*np.nonzero(excluded), (USERS, ITEMS))
    rows = rng.permutation(USERS)
    found = exact_search(user_QD, item_ND)(exclude=exclude, corpus=corpus)(rows, ITEMS)
    scores = np.where(excluded | ~corpus, -np.inf, user_QD @ item_ND.T)
    assert found.tolist() == [best_rows(scores[row], ITEMS) for row in rows]
    assert (found[rows == 7] == -1).all()


def test_lists_under_several_masks_are_those_under_each_and_scored_once(
    embeddings: tuple[np.ndarray, np.ndarray],
) -> None:
    user_QD, item_ND = embeddings
    rng = np.random.default_rng(5)
    exclude = item_sets(*np.nonzero(rng.uniform(size=(USERS, ITEMS)) < 0.5), (USERS, ITEMS))
    corpus = rng.uniform(size=ITEMS) < 0.5
    masks = [Mask(exclude=exclude), Mask(), Mask(corpus=corpus), Mask(exclude=exclude, corpus=corpus), Mask()]
    scored = []

    def scores(rows: np.ndarray) -> np.ndarray:
        scored.extend(rows)
        return user_QD[rows] @ item_ND.T

    rows = rng.permutation(USERS)
    found = score_search(scores).lists(rows, 9, masks)
    assert scored == rows.tolist()
    for lists, mask in zip(found, masks, strict=True):
        alone = exact_search(user_QD, item_ND)(exclude=mask.exclude, corpus=mask.corpus)
        np.testing.assert_array_equal(lists, alone(rows, 9))


@pytest.mark.parametrize("items", [1, 7, ITEMS])
def test_blocks_of_queries_and_items_bound_the_scores_and_change_no_list(
    embeddings: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch, items: int
) -> None:
    user_QD, item_ND = embeddings
    rng = np.random.default_rng(6)
    masks = [Mask(exclude=item_sets(*np.nonzero(rng.uniform(size=(USERS, ITEMS)) < 0.9), (USERS, ITEMS)))]
    masks += [Mask(), Mask(corpus=np.arange(ITEMS) >= 5)]
    whole = exact_search(user_QD, item_ND).lists(np.arange(USERS), 20, masks)
    monkeypatch.setattr(exact, "ITEMS_AT_ONCE", items)
    monkeypatch.setattr(exact, "SCORES_AT_ONCE", 1_000)
    search, widest = exact_search(user_QD, item_ND), 0

    def noted(rows: np.ndarray):
        nonlocal widest
        for scores_bn in search.parts(rows):
            widest = max(widest, scores_bn.size)
            yield scores_bn

    for lists, expected in zip(exact.BlockSearch(noted).lists(np.arange(USERS), 20, masks), whole, strict=True):
        np.testing.assert_array_equal(lists, expected)
    assert 0 < widest <= 1_000
