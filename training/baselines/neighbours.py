"""Baselines that ask other users: user-kNN, UP-CF@r and TIFU-kNN.

All three are a weighted sum of one vector per user, weights [b, U] · vectors [U, N];
they differ in both. The defaults were chosen on two weeks inside the training part of
completejourney, by `tests.benchmarks.tune_baselines`.

Legend: b users of a block, U users, N items.
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
    """User-kNN [Herlocker et al., SIGIR 1999; here binary].

    An item's score is the sum of similarities over those of the k nearest other users
    that took it. Similarity is the cosine of the binary histories, |u ∩ v| / sqrt((n_u
    + s)(n_v + s)). Of equally near users the lower user row is nearer. Items that score
    0 follow by popularity. The defaults are the best of 20 to 900 neighbours and
    shrinkage 0 to 100; 100 neighbours have a higher recall of discoveries.

    Args:
        log: interactions to learn from.
        asked: histories of the users when they are asked for; None for those of `log`.
        neighbours: k.
        shrinkage: s, items added to each history that no other holds. Two short
            histories with one item in common are then less alike.
    """
    from scipy.sparse import csr_array

    bought = log.histories()
    similarity = _product(_scaled((asked or log).histories(), -0.5, shrinkage), _scaled(bought, -0.5, shrinkage))

    # Weights are computed for a block of users: for all users [U, U] would not fit in
    # memory.
    def weights(user_rows: np.ndarray) -> csr_array:
        similarity_bU = similarity(user_rows)
        similarity_bU[np.arange(len(user_rows)), user_rows] = 0
        return csr_array(np.where(_nearest(similarity_bU, neighbours), similarity_bU, 0))

    return _voted(weights, bought, log)


def up_cf(
    log: Log, *, asked: Log | None = None, recency: int = 25, alpha: float = 0.75, locality: float = 5.0
) -> Scores:
    """UP-CF@r [Faggioli, Polato, Aiolli, UMAP 2020].

    score(u, i) = Σ_v sim(u, v)^q · UWP_v(i), over all users v, u included. UWP_v(i),
    the user-wise popularity, is the share of the r newest baskets of v that hold i; a
    basket is a day. sim is the asymmetric cosine of the binary histories, |u ∩ v| /
    (n_u^alpha · n_v^(1 - alpha)). Items that score 0 follow by popularity. The defaults
    are the best of r 10 to 100, alpha 0.25 to 1 and q 2 to 20.

    Args:
        log: interactions to learn from.
        asked: histories of the users when they are asked for; None for those of `log`.
        recency: r; a user with fewer baskets counts with all of them.
        alpha: the smaller, the more a long history of v lowers its similarity.
        locality: q; the larger, the less weight have all but the most similar users.
    """
    similarity = _product(_scaled((asked or log).histories(), -alpha), _scaled(log.histories(), alpha - 1))

    def weights(user_rows: np.ndarray) -> np.ndarray:
        similarity_bU = similarity(user_rows)
        similarity_bU[np.arange(len(user_rows)), user_rows] = 0
        return similarity_bU**locality

    vectors = _user_wise_popularity(log, recency)
    own = _user_wise_popularity(asked, recency) if asked else vectors
    # The similarity of a user to itself is 1, so its own vector joins with weight 1.
    return _voted(weights, vectors, log, own=own)


def _user_wise_popularity(log: Log, recency: int) -> csr_array:
    """Vectors of `up_cf`: [U, N]."""
    own = baskets(log)
    share = 1 / np.minimum(own.counts_U, recency)[own.log.user_rows]
    vectors = own.log.matrix(np.where(own.ranks < recency, share, 0))
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
    """TIFU-kNN [Hu, He, Gao, Zhang, SIGIR 2020].

    scores(u) = alpha · v_u + (1 - alpha) · mean of v over the k other users whose
    vectors are nearest to v_u by Euclidean distance. v_u [N], the temporal item
    frequency, reads the baskets of u in time order, a basket being a day as a binary
    vector. They are cut into K groups of m, from the newest back, so that only the
    oldest group can be smaller. With m_g baskets in group g, and the newest group and
    basket last,

        v_g = sum_j r_b^(m_g - j) · basket_j / m_g,    v_u = sum_g r_g^(K - g) · v_g / K.

    Of equally near users the lower user row is nearer. Items that score 0 follow by
    popularity. The defaults are the best of k 100 to 900, m 3 to 14, r_b 0.9 and 1, r_g
    0.5 to 0.8 and alpha 0.2 to 0.9. The paper's for Dunnhumby, in the same order, are
    900, 3, 0.9, 0.6 and 0.2.

    Args:
        log: interactions to learn from.
        asked: histories of the users when they are asked for; None for those of `log`.
        neighbours: k; all users where there are fewer.
        group_size: m, baskets of a group. Some public implementations take m as the
            number of groups.
        within_decay: r_b.
        group_decay: r_g.
        alpha: weight of the user's own vector.
    """
    vectors = _item_frequency(log, group_size, within_decay, group_decay)
    own = _item_frequency(asked, group_size, within_decay, group_decay) if asked else vectors
    overlap, norms_U = _product(own, vectors), vectors.power(2).sum(axis=1)
    nobody_U, unknown_U = (np.diff(each.indptr) == 0 for each in (vectors, own))

    def weights(user_rows: np.ndarray) -> np.ndarray:
        # The negative squared distance 2 uv - |u|² - |v|², without |u|², which all v
        # share.
        closeness_bU = 2 * overlap(user_rows) - norms_U
        closeness_bU[:, nobody_U] = -np.inf
        closeness_bU[np.arange(len(user_rows)), user_rows] = -np.inf
        near_bU = _nearest(closeness_bU, neighbours)
        weights_bU = near_bU * ((1 - alpha) / np.maximum(near_bU.sum(axis=1, keepdims=True), 1))
        # A user without a history has no neighbours, and so gets popularity.
        weights_bU[unknown_U[user_rows]] = 0
        return weights_bU

    return _voted(weights, vectors, log, own=alpha * own)


def _item_frequency(log: Log, group_size: int, within_decay: float, group_decay: float) -> csr_array:
    """Vectors of `tifu_knn`: [U, N]."""
    own = baskets(log)
    counts = own.counts_U[own.log.user_rows]
    groups = -(-counts // group_size)
    group, rank = np.divmod(own.ranks, group_size)
    size = np.minimum(group_size, counts - group * group_size)
    return own.log.matrix(within_decay**rank * group_decay**group / (size * groups))


def _scaled(bought: csr_array, power: float, shrinkage: float = 0.0) -> csr_array:
    """Binary histories, each times (its size + shrinkage)^power: [U, N]."""
    from scipy.sparse import diags_array

    sizes_U = np.maximum(np.diff(bought.indptr), 1)
    return diags_array((sizes_U + shrinkage) ** power) @ bought


def _product(left: csr_array, right: csr_array) -> Callable[[np.ndarray], np.ndarray]:
    """Function of user rows [b]: their rows of `left` times all of `right`, [b, U]."""
    right_NU = right.T.tocsr()
    return lambda user_rows: (left[user_rows] @ right_NU).toarray()


def _nearest(closeness_bU: np.ndarray, k: int) -> np.ndarray:
    """Mask of the k closest of each row, bool [b, U]; without entries of -inf."""
    rows_bk = top_k(closeness_bU, k)
    query, rank = np.nonzero(rows_bk >= 0)
    near_bU = np.zeros(closeness_bU.shape, dtype=bool)
    near_bU[query, rows_bk[query, rank]] = True
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
        weights: weight of every user for the users of a block; sparse where few have
            one.
        vectors: vector of every user, [U, N].
        log: source of the popularity.
        own: the users' own votes, [U, N]; None without.
    """
    vectors_NU, order_N = vectors.T.tocsr(), popularity_order(log)

    def votes(weights_bU: np.ndarray | csr_array) -> np.ndarray:
        if isinstance(weights_bU, np.ndarray):
            # A row of the result is nearly full, where a sparse product is many times
            # slower.
            return (vectors_NU @ weights_bU.T).T
        return (weights_bU @ vectors).toarray()

    def scores(user_rows: np.ndarray) -> np.ndarray:
        votes_bN = votes(weights(user_rows))
        if own is not None:
            mine = own[user_rows].tocoo()
            votes_bN[mine.row, mine.col] += mine.data
        return voted_first(votes_bN, order_N)

    return scores
