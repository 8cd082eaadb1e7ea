"""The merge of index hits, own items and candidates, against a sort of Python."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from serving.ranking import NOTHING, Ranked, best, reordered, restricted, with_own, without
from serving.search import Dropped

Scores = list[dict[int, float]]
"""Score by row of the corpus, of each query."""


def ranked(lists: list[list[tuple[int, float]]], width: int) -> Ranked:
    """Lists of (row, score), with empty ranks behind them."""
    rows_QK = np.full((len(lists), width), NOTHING, np.int32)
    scores_QK = np.full((len(lists), width), -np.inf, np.float32)
    for query, each in enumerate(lists):
        for rank, (row, score) in enumerate(each):
            rows_QK[query, rank], scores_QK[query, rank] = row, score
    return Ranked(rows_QK=rows_QK, scores_QK=scores_QK)


def lists(found: Ranked) -> list[list[tuple[int, float]]]:
    pairs = [
        list(zip(*each, strict=True)) for each in zip(found.rows_QK.tolist(), found.scores_QK.tolist(), strict=True)
    ]
    for each in pairs:
        filled = [row != NOTHING for row, _ in each]
        assert filled == sorted(filled, reverse=True), "an empty rank before a filled one"
        assert all(score == -np.inf for row, score in each if row == NOTHING)
    return [[pair for pair in each if pair[0] != NOTHING] for each in pairs]


def in_order(scores: dict[int, float], k: int) -> list[tuple[int, float]]:
    return sorted(scores.items(), key=lambda each: (-each[1], each[0]))[:k]


def worlds(seed: int, queries: int = 7, items: int = 30) -> Scores:
    """Few distinct scores, so that many items are level."""
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(items)[: rng.integers(0, items + 1)].tolist() for _ in range(queries)]
    return [{row: float(rng.integers(-3, 4)) for row in each} for each in rows]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("k", [1, 5, 40])
def test_own_scores_replace_those_of_the_index(seed: int, k: int) -> None:
    index, own = worlds(seed), [dict(list(each.items())[:6]) for each in worlds(seed + 100)]
    deep = [in_order(each, k + len(mine)) for each, mine in zip(index, own, strict=True)]
    found = with_own(ranked(deep, max(map(len, deep))), scattered(own, seed), k)
    wanted = [in_order(each | mine, k) for each, mine in zip(index, own, strict=True)]
    # An item of the index alone may be any of the corpus; what is wanted is the best of both together.
    assert lists(found) == wanted


def scattered(own: Scores, seed: int) -> Ranked:
    """Own items at any position, as a history with unknown items among them has them."""
    rng = np.random.default_rng(seed)
    width = 9
    rows_QL = np.full((len(own), width), NOTHING, np.int32)
    scores_QL = np.full((len(own), width), -np.inf, np.float32)
    for query, each in enumerate(own):
        for place, (row, score) in zip(rng.permutation(width), each.items(), strict=False):
            rows_QL[query, place], scores_QL[query, place] = row, score
    return Ranked(rows_QK=rows_QL, scores_QK=scores_QL)


@pytest.mark.parametrize("seed", range(20))
def test_what_is_dropped_is_left_out_of_its_own_query_alone(seed: int) -> None:
    scores, rng = worlds(seed), np.random.default_rng(seed)
    pairs = [(query, row) for query, each in enumerate(scores) for row in [*each, 29] if rng.random() < 0.4]
    query_P, row_P = (np.array([pair[part] for pair in pairs], np.int64) for part in (0, 1))
    whole = [in_order(each, 30) for each in scores]
    left = without(ranked(whole, 30), query_P, row_P)
    wanted = [[pair for pair in each if (query, pair[0]) not in pairs] for query, each in enumerate(whole)]
    assert lists(best(left.rows_QK, left.scores_QK, 30)) == wanted


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("first", "k"), [(4, 9), (4, 2), (30, 30)])
def test_candidates_are_ordered_anew_and_the_others_follow(seed: int, first: int, k: int) -> None:
    hits = [in_order(each, 12) for each in worlds(seed)]
    new_QC = np.random.default_rng(seed).integers(-2, 3, (len(hits), min(first, 12))).astype(np.float32)
    found = reordered(ranked(hits, 12), new_QC, k)
    wanted = []
    for each, scores in zip(hits, new_QC.tolist(), strict=True):
        head = {row: score for (row, _), score in zip(each[:first], scores, strict=False)}
        wanted.append((in_order(head, first) + each[first:])[:k])
    assert lists(found) == wanted


def test_own_items_that_are_not_allowed_are_left_out() -> None:
    own = ranked([[(3, 1.0), (5, 0.5)], [(5, 2.0), (7, 1.0)]], 3)
    allowed = np.ones(9, bool)
    allowed[7] = False
    dropped = Dropped(query_P=np.array([0]), row_P=np.array([5]))
    left = restricted(own, allowed, dropped)
    assert lists(best(left.rows_QK, left.scores_QK, 3)) == [[(3, 1.0)], [(5, 2.0)]]
    assert restricted(own, None, Dropped()) is own


@pytest.mark.parametrize("make", [lambda: ranked([], 4), lambda: ranked([[], []], 0), lambda: ranked([[]], 3)])
def test_nothing_merged_with_nothing_is_nothing(make: Callable[[], Ranked]) -> None:
    assert lists(with_own(make(), make(), 5)) == [[] for _ in make().rows_QK]
