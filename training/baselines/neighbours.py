"""Baselines that ask other users: user-kNN, UP-CF@r and TIFU-kNN. b users of a block, U users, N items.

All three are a weighted sum of one vector per user, weights [b, U] · vectors [U, N]; they differ in both. Weights are
computed for the users of a block when they are asked for: for all users they would not fit in memory.

The defaults were chosen on two weeks inside the training part of completejourney, by `tests.benchmarks.tune_baselines`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from training.baselines.baskets import baskets
from training.baselines.log import Log
from training.baselines.popular import popularity_order, voted_first
from training.retrieval.exact import Scores
from training.retrieval.ranking import top_k

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def user_knn(log: Log, *, asked: Log | None = None, neighbours: int = 50, shrinkage: float = 0.0) -> Scores:
    """User-kNN [Herlocker et al., SIGIR 1999; here binary]: an item scores the sum of similarity over those of the k
    nearest other users that had it.

    Similarity is the cosine of the binary histories, |u ∩ v| / sqrt((n_u + s)(n_v + s)): shrinkage gives every user s
    more items that nobody else has, so that two short histories with one item in common are less alike. Among equally
    near users the lower user row comes first. Items that score nothing follow by popularity. The defaults are the best
    of 20 to 900 neighbours and shrinkage 0 to 100; 100 neighbours found more discoveries.
    """
    from scipy.sparse import csr_array

    bought = log.histories()
    similarity = _product(_scaled((asked or log).histories(), -0.5, shrinkage), _scaled(bought, -0.5, shrinkage))

    def weights(user_rows: np.ndarray) -> csr_array:
        similarity_bU = similarity(user_rows)
        similarity_bU[np.arange(len(user_rows)), user_rows] = 0
        return csr_array(np.where(_nearest(similarity_bU, neighbours), similarity_bU, 0))

    return _voted(weights, bought, log)


def up_cf(
    log: Log, *, asked: Log | None = None, recency: int = 25, alpha: float = 0.75, locality: float = 5.0
) -> Scores:
    """UP-CF@r [Faggioli, Polato, Aiolli, UMAP 2020]: score(u, i) = sum over all users v, u itself among them, of
    sim(u, v)^q · UWP_v(i).

    UWP_v(i), the user-wise popularity, is the share of the r newest baskets of v (all, where v has fewer) with i in
    them; a basket is a day. sim is the asymmetric cosine of the binary histories,
    |u ∩ v| / (n_u^alpha · n_v^(1 - alpha)): the smaller alpha, the more a long history of v counts against v. q, the
    locality, takes weight from all but the most similar; there is no limit on the number of neighbours. Items that
    score nothing follow by popularity. The defaults are the best of r 10 to 100, alpha 0.25 to 1 and q 2 to 20.
    """
    similarity = _product(_scaled((asked or log).histories(), -alpha), _scaled(log.histories(), alpha - 1))

    def weights(user_rows: np.ndarray) -> np.ndarray:
        similarity_bU = similarity(user_rows)
        similarity_bU[np.arange(len(user_rows)), user_rows] = 0
        return similarity_bU**locality

    vectors = _user_wise_popularity(log, recency)
    own = _user_wise_popularity(asked, recency) if asked else vectors
    return _voted(weights, vectors, log, own=own)  # everybody is wholly similar to itself


def _user_wise_popularity(log: Log, recency: int) -> csr_array:
    """The vectors of `up_cf`, [U, N]."""
    own = baskets(log)
    share = 1 / np.minimum(own.counts_U, recency)[own.log.user_rows]
    vectors = own.log.matrix(np.where(own.places < recency, share, 0))
    vectors.eliminate_zeros()
    return vectors


def tifu_knn(
    log: Log,
    *,
    asked: Log | None = None,
    neighbours: int = 300,
    group_size: int = 7,
    within_decay: float = 1.0,
    group_decay: float = 0.6,
    alpha: float = 0.5,
) -> Scores:
    """TIFU-kNN [Hu, He, Gao, Zhang, SIGIR 2020]: scores(u) = alpha · v_u + (1 - alpha) · mean of v over the k users
    (all, where there are fewer) whose vectors are nearest to v_u by Euclidean distance, u itself not among them.

    v_u [N], the temporal item frequency: the baskets of u (a basket is a day, as a binary vector) in time order are cut
    into K groups of m = `group_size`, from the newest back, so that only the oldest group can be smaller. With m_g
    baskets in group g and the newest group and the newest basket of a group last,

        v_g = sum_j r_b^(m_g - j) · basket_j / m_g,    v_u = sum_g r_g^(K - g) · v_g / K.

    m is the size of a group; some public implementations take it as the number of groups. Among equally near users the
    lower user row comes first. Items that score nothing follow by popularity. The defaults are the best of
    k 100 to 900, m 3 to 14, r_b 0.9 and 1, r_g 0.5 to 0.8 and alpha 0.2 to 0.9; the paper's for Dunnhumby, in the same
    order, are 900, 3, 0.9, 0.6 and 0.2.
    """
    vectors = _item_frequency(log, group_size, within_decay, group_decay)
    own = _item_frequency(asked, group_size, within_decay, group_decay) if asked else vectors
    overlap, norms_U = _product(own, vectors), vectors.power(2).sum(axis=1)
    nobody_U, unknown_U = (np.diff(each.indptr) == 0 for each in (vectors, own))

    def weights(user_rows: np.ndarray) -> np.ndarray:
        # The squared distance |u|² + |v|² - 2 uv, less what is the same for all v.
        closeness_bU = 2 * overlap(user_rows) - norms_U
        closeness_bU[:, nobody_U] = -np.inf
        closeness_bU[np.arange(len(user_rows)), user_rows] = -np.inf
        near_bU = _nearest(closeness_bU, neighbours)
        weights_bU = near_bU * ((1 - alpha) / np.maximum(near_bU.sum(axis=1, keepdims=True), 1))
        weights_bU[unknown_U[user_rows]] = 0  # nothing is near to a user of whom nothing is known
        return weights_bU

    return _voted(weights, vectors, log, own=alpha * own)


def _item_frequency(log: Log, group_size: int, within_decay: float, group_decay: float) -> csr_array:
    """The vectors of `tifu_knn`, [U, N]."""
    own = baskets(log)
    counts = own.counts_U[own.log.user_rows]
    groups = -(-counts // group_size)
    group, place = np.divmod(own.places, group_size)
    size = np.minimum(group_size, counts - group * group_size)
    return own.log.matrix(within_decay**place * group_decay**group / (size * groups))


def _scaled(bought: csr_array, power: float, shrinkage: float = 0.0) -> csr_array:
    """Binary histories, each times (its size + shrinkage)^power: [U, N]."""
    from scipy.sparse import diags_array

    sizes_U = np.maximum(np.diff(bought.indptr), 1)
    return diags_array((sizes_U + shrinkage) ** power) @ bought


def _product(left: csr_array, right: csr_array) -> Callable[[np.ndarray], np.ndarray]:
    """User rows [b] -> inner products of their rows of `left` with all rows of `right`: dense [b, U]."""
    right_NU = right.T.tocsr()
    return lambda user_rows: (left[user_rows] @ right_NU).toarray()


def _nearest(closeness_bU: np.ndarray, k: int) -> np.ndarray:
    """The k closest of each row as a mask, bool [b, U]; never those at -inf."""
    rows_bk = top_k(closeness_bU, k)
    query, place = np.nonzero(rows_bk >= 0)
    near_bU = np.zeros(closeness_bU.shape, dtype=bool)
    near_bU[query, rows_bk[query, place]] = True
    return near_bU


def _voted(
    weights: Callable[[np.ndarray], np.ndarray | csr_array],
    vectors: csr_array,
    log: Log,
    *,
    own: csr_array | None = None,
) -> Scores:
    """Scores by weights [b, U] · vectors [U, N], then by popularity.

    Args:
        weights: weight of every user for the users of a block; sparse where few have one.
        vectors: vector of every user, [U, N].
        log: gives the popularity.
        own: the users' own votes, [U, N], if they have any.
    """
    vectors_NU, order_N = vectors.T.tocsr(), popularity_order(log)

    def votes(weights_bU: np.ndarray | csr_array) -> np.ndarray:
        if isinstance(weights_bU, np.ndarray):
            # A row of the result is nearly full: a sparse product would be many times slower.
            return (vectors_NU @ weights_bU.T).T
        return (weights_bU @ vectors).toarray()

    def scores(user_rows: np.ndarray) -> np.ndarray:
        votes_bN = votes(weights(user_rows))
        if own is not None:
            mine = own[user_rows].tocoo()
            votes_bN[mine.row, mine.col] += mine.data
        return voted_first(votes_bN, order_N)

    return scores
