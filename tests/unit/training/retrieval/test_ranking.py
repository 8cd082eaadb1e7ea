"""Top k of scores: the tie rule, empty ranks, and scores that are no numbers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.training.retrieval.ranking_world import best_rows
from training.retrieval.ranking import top_k

ITEMS = 120


@pytest.mark.parametrize("k", [1, 5, 20, ITEMS])
def test_top_k_follows_the_tie_rule(k: int) -> None:
    scores = np.random.default_rng(0).integers(0, 4, (40, ITEMS)).astype(np.float32)
    scores[np.random.default_rng(1).uniform(size=scores.shape) < 0.3] = -np.inf
    assert top_k(scores, k).tolist() == [best_rows(row, k) for row in scores]


def test_more_ranks_than_items_stay_empty() -> None:
    assert top_k(np.array([[1.0, 3.0, 2.0]]), 5).tolist() == [[1, 2, 0, -1, -1]]


@pytest.mark.parametrize("scores", [np.array([[1.0, np.nan, 2.0]]), np.full((1, 4_000), np.nan)])
def test_nan_scores_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(ValueError, match="NaN"):
        top_k(scores, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("levels", [3, 60, 100_000])
def test_a_large_corpus_follows_the_tie_rule_too(dtype: type, levels: int) -> None:
    """With few levels every row has ties at the boundary, with 60 some rows do.

    The corpus is large enough for chunks.
    """
    rng = np.random.default_rng(levels)
    scores = rng.integers(0, levels, (40, 1_603)).astype(dtype)
    scores[rng.uniform(size=scores.shape) < 0.3] = -np.inf
    scores[0] = -np.inf
    scores[1, 7:] = -np.inf  # fewer items than ranks
    assert top_k(scores, 10).tolist() == [best_rows(row, 10) for row in scores]
