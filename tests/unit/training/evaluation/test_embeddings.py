"""Measures of collapse, beside all pairs of vectors and worlds with a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.evaluation.embeddings import duplicate_share, effective_rank, mean_cosine, unusable_share


def drawn(count: int, dim: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def test_the_mean_cosine_is_that_of_all_pairs() -> None:
    vectors_ND = drawn(30, 8) + 0.3
    unit_ND = vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    pairs_NN = unit_ND @ unit_ND.T
    assert mean_cosine(vectors_ND) == pytest.approx(pairs_NN[~np.eye(30, dtype=bool)].mean(), abs=1e-6)
    assert mean_cosine(np.ones((5, 3), np.float32)) == pytest.approx(1.0)
    assert mean_cosine(np.array([[1.0, 0.0], [-2.0, 0.0]])) == pytest.approx(-1.0)
    assert math.isnan(mean_cosine(np.ones((1, 3))))


@pytest.mark.parametrize("used", [1, 3, 16])
def test_the_effective_rank_counts_the_dimensions_in_use(used: int) -> None:
    """Vectors along the axes, equally often: each axis in use counts as one."""
    vectors_ND = np.tile(np.eye(16, dtype=np.float32)[:used], (10, 1))
    assert effective_rank(vectors_ND) == pytest.approx(used)
    turned_ND = vectors_ND @ np.linalg.qr(drawn(16, 16))[0]
    assert effective_rank(turned_ND) == pytest.approx(used, rel=1e-3)


def test_collapse_lowers_the_rank_and_raises_the_cosine() -> None:
    """Towards one direction, which a single singular value then carries."""
    spread_ND, direction_D = drawn(500, 16), np.ones(16, np.float32)
    steps = [(1 - share) * spread_ND + 3 * share * direction_D for share in (0.0, 0.5, 0.9, 0.999)]
    ranks, cosines = ([measure(each) for each in steps] for measure in (effective_rank, mean_cosine))
    assert ranks == sorted(ranks, reverse=True) and cosines == sorted(cosines)
    assert ranks[0] > 15 and ranks[-1] < 1.5 and cosines[-1] > 0.99


def test_vectors_that_no_search_can_use_are_counted() -> None:
    vectors_ND = drawn(10, 4)
    assert unusable_share(vectors_ND) == 0.0
    vectors_ND[0, 0], vectors_ND[1], vectors_ND[2, 3] = np.nan, 0.0, np.inf
    assert unusable_share(vectors_ND) == pytest.approx(0.3)
    assert math.isnan(effective_rank(vectors_ND)) and math.isnan(mean_cosine(vectors_ND))


def test_equal_vectors_are_counted_all() -> None:
    vectors_ND = drawn(10, 4)
    assert duplicate_share(vectors_ND) == 0.0
    vectors_ND[[3, 7, 9]] = vectors_ND[0]
    assert duplicate_share(vectors_ND) == pytest.approx(0.4)
