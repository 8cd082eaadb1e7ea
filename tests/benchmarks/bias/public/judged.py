"""Rankings against the uniform part: items that a user was shown at random.

Legend: U users, N items, M uniform rows, Q users who like some of theirs and some not, K ranks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.benchmarks.bias.public.logs import Uniform
from training.evaluation.metrics import ndcg_at_k

K = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """How well the random items of each user are ranked."""

    auc_Q: np.ndarray
    """Share of the pairs of a liked and another item of the user in the right order."""
    ndcg_Q: np.ndarray
    """NDCG@5 of the user's items."""


def judged(score_UN: np.ndarray, uniform: Uniform) -> Judged:
    """Measures of each user with items of both kinds.

    Args:
        score_UN: scores that rank.
        uniform: the uniform part.
    """
    score_M = score_UN[uniform.user_M, uniform.item_M]
    order_M = np.lexsort((-score_M, uniform.user_M))
    user_M, liked_M = uniform.user_M[order_M], uniform.liked_M[order_M]
    rows_U = np.bincount(user_M, minlength=len(score_UN))
    liked_U = np.bincount(user_M, liked_M, minlength=len(score_UN)).astype(np.int64)
    rank_M = np.arange(len(user_M)) - (rows_U.cumsum() - rows_U)[user_M]
    both_Q = np.flatnonzero((liked_U > 0) & (liked_U < rows_U))
    # Above a liked item stand liked ones, in all n (n - 1) / 2, and pairs in the wrong order.
    above_U = np.bincount(user_M, rank_M * liked_M, minlength=len(score_UN)) - liked_U * (liked_U - 1) / 2
    hits_UK = np.zeros((len(score_UN), K), bool)
    hits_UK[user_M[rank_M < K], rank_M[rank_M < K]] = liked_M[rank_M < K]
    return Judged(
        auc_Q=1 - above_U[both_Q] / (liked_U * (rows_U - liked_U))[both_Q],
        ndcg_Q=ndcg_at_k(hits_UK[both_Q], liked_U[both_Q], K),
    )
