"""Ranking of scores by the true relevance.

Legend: U users, N items, L items of an answer, K ranks.
"""

from __future__ import annotations

import numpy as np

from training.retrieval.ranking import top_k


def ndcg(score_UN: np.ndarray, relevance_UN: np.ndarray, *, seed: int, length: int = 10, k: int = 5) -> float:
    """NDCG@k of random answers by the true relevance, one answer for each user.

    Args:
        score_UN: scores that rank.
        relevance_UN: true relevance.
        seed: draws the answers.
        length: items of an answer.
        k: ranks that count.
    """
    item_UL = np.argsort(np.random.default_rng(seed).random(score_UN.shape), axis=1)[:, :length]
    gain_UL, score_UL = (np.take_along_axis(each, item_UL, axis=1) for each in (relevance_UN, score_UN))
    discount_K = 1 / np.log2(np.arange(2, k + 2))
    found, best = (
        np.take_along_axis(gain_UL, np.argsort(-by_UL, axis=1, kind="stable")[:, :k], axis=1) @ discount_K
        for by_UL in (score_UL, gain_UL)
    )
    return float((found / best).mean())


def recall(score_UN: np.ndarray, relevance_UN: np.ndarray, k: int = 20) -> float:
    """Relevance of the k best of the corpus, as a share of the most that k items have."""
    found, best = (
        np.take_along_axis(relevance_UN, top_k(by_UN, k), axis=1).sum(axis=1) for by_UN in (score_UN, relevance_UN)
    )
    return float((found / best).mean())
