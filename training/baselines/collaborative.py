"""Collaborative baselines: item-kNN and ALS.

Legend: b users of a block, N items, D factors.
"""

from __future__ import annotations

import numpy as np

from training.baselines.log import Log
from training.baselines.popular import filled_up, popularity_order
from training.retrieval.exact import Scores


def item_knn(log: Log, *, neighbours: int = 20, shrinkage: float = 10.0) -> Scores:
    """Item-kNN [Deshpande & Karypis, TOIS 2004].

    An item's score is the sum of its similarities to those of its nearest items, itself
    included, that the user's history holds. Similarity is the cosine of the binary user
    columns, |i ∩ j| / sqrt((n_i + s)(n_j + s)). Items that score 0 follow by
    popularity.

    The defaults were chosen on two weeks inside the training part of completejourney:
    neighbours 10 to 200, shrinkage 0 to 100.

    Args:
        log: interactions to learn from.
        neighbours: nearest items that each item keeps, itself included.
        shrinkage: s, users added to each item that it shares with no other. Two rare
            items bought once together are then not alike.
    """
    from implicit.nearest_neighbours import ItemItemRecommender
    from scipy.sparse import csr_array, csr_matrix, diags_array

    bought = log.histories()
    users_N = np.bincount(bought.indices, minlength=log.items)
    weighted = bought @ diags_array(1 / np.sqrt(np.maximum(users_N, 1) + shrinkage))
    model = ItemItemRecommender(K=neighbours, num_threads=0)
    model.fit(csr_matrix(weighted), show_progress=False)
    # Row j of the result holds the nearest items of j; the product below needs them in
    # column j.
    nearest_NN, order_N = csr_array(model.similarity.T), popularity_order(log)

    def scores(user_rows: np.ndarray) -> np.ndarray:
        own = bought[user_rows] @ nearest_NN
        return filled_up(own, order_N)(np.arange(len(user_rows)))

    return scores


def als(
    log: Log,
    *,
    seed: int,
    factors: int = 64,
    iterations: int = 15,
    regularization: float = 10.0,
    alpha: float = 0.3,
) -> Scores:
    """Implicit-feedback matrix factorisation [Hu, Koren, Volinsky, ICDM 2008].

    The confidence of a pair is 1 + alpha · count. Items that nobody bought rank last. A
    user without a history gets popularity. Factors depend on the seed only, not on the
    number of threads.

    The defaults were chosen on two weeks inside the training part of completejourney:
    alpha 0.1 to 20 on counts, their logarithm and binary, regularization 1 to 100.

    Args:
        log: interactions to learn from.
        seed: random seed of the initial factors.
        factors: D.
        iterations: alternations between users and items.
        regularization: weight of the squared norm of the factors.
        alpha: confidence that one interaction adds.
    """
    from implicit.cpu.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    counts = log.matrix()
    # implicit runs its own threads; a second pool in BLAS slows it several times.
    with threadpool_limits(limits=1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors=factors, iterations=iterations, regularization=regularization, alpha=alpha, random_state=seed
        )
        model.fit(csr_matrix(counts, dtype=np.float32), show_progress=False)
    user_UD, item_ND = model.user_factors, model.item_factors
    never_sold_N = np.bincount(log.item_rows, minlength=log.items) == 0
    without_history_U = np.diff(counts.indptr) == 0
    order_N = popularity_order(log)

    def scores(user_rows: np.ndarray) -> np.ndarray:
        scores_bN = user_UD[user_rows] @ item_ND.T
        # A never-sold item would score 0, above items that the model scores below 0.
        scores_bN[:, never_sold_N] = np.finfo(np.float32).min
        scores_bN[without_history_U[user_rows]] = order_N
        return scores_bN

    return scores
