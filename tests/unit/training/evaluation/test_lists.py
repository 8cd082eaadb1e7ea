"""Measures of lists, beside plain loops over pairs and worlds with a known answer."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import spearmanr

from training.evaluation.lists import (
    coverage,
    exposures,
    gini,
    list_similarity,
    overlap,
    popularity_correlation,
    top_share,
)

ITEMS = 40


def drawn(seed: int, users: int = 12, k: int = 6) -> np.ndarray:
    """Lists of distinct items, some of them with empty ranks."""
    rng = np.random.default_rng(seed)
    lists_QK = np.stack([rng.permutation(ITEMS)[:k] for _ in range(users)]).astype(np.int32)
    lists_QK[0, 4:], lists_QK[1] = -1, -1
    return lists_QK


def sets_of(lists_QK: np.ndarray) -> list[set[int]]:
    return [set(each[each >= 0].tolist()) for each in lists_QK]


@pytest.mark.parametrize("seed", range(5))
def test_measures_equal_plain_loops(seed: int) -> None:
    lists_QK, others_QK = drawn(seed), drawn(seed + 100, k=8)
    sets = sets_of(lists_QK)
    count_N = exposures(lists_QK, ITEMS)
    assert count_N.tolist() == [sum(item in each for each in sets) for item in range(ITEMS)]
    assert coverage(count_N) == len(set().union(*sets)) / ITEMS
    # Gini's mean difference over all pairs, of twice the mean.
    pairs = np.abs(count_N[:, None] - count_N[None, :]).sum()
    assert gini(count_N) == pytest.approx(pairs / (2 * ITEMS**2 * count_N.mean()))
    found = [len(a & b) / max(len(a), len(b)) if a or b else 1.0 for a, b in zip(sets, sets_of(others_QK), strict=True)]
    assert overlap(lists_QK, others_QK) == pytest.approx(found)
    popularity_N = np.random.default_rng(seed).integers(0, 5, ITEMS)
    assert popularity_correlation(count_N, popularity_N) == pytest.approx(spearmanr(count_N, popularity_N).statistic)


def test_the_similarity_is_the_mean_overlap_of_all_pairs() -> None:
    lists_QK = np.stack([np.random.default_rng(seed).permutation(ITEMS)[:6] for seed in range(15)])
    pairs = [len(a & b) / 6 for a, b in combinations(sets_of(lists_QK), 2)]
    assert list_similarity(lists_QK, ITEMS) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("users", [2, 500])
def test_one_list_for_all_is_seen_whatever_the_size(users: int) -> None:
    same_QK = np.tile(np.arange(5, dtype=np.int32), (users, 1))
    assert list_similarity(same_QK, 10) == list_similarity(same_QK, 100_000) == 1.0
    apart_QK = np.arange(users * 5).reshape(users, 5)
    assert list_similarity(apart_QK, users * 5) == 0.0
    assert gini(exposures(apart_QK, users * 5)) == pytest.approx(0.0)
    assert gini(exposures(same_QK, 100_000)) > 0.99
    assert top_share(exposures(same_QK, 500)) == 1.0
    assert top_share(exposures(same_QK, 100)) == 0.2


def test_lists_that_did_not_move_overlap_in_any_order() -> None:
    lists_QK = drawn(0)
    assert overlap(lists_QK, lists_QK[:, ::-1]).tolist() == [1.0] * len(lists_QK)
    assert overlap(lists_QK[2:], lists_QK[2:] + ITEMS).tolist() == [0.0] * (len(lists_QK) - 2)
    with pytest.raises(ValueError, match="same users"):
        overlap(lists_QK, lists_QK[1:])


def test_what_is_undefined_is_no_number() -> None:
    assert math.isnan(list_similarity(drawn(0)[:1], ITEMS))
    assert math.isnan(popularity_correlation(np.ones(3), np.arange(3)))
