"""Ranking of the corpus by one version, from encoded users to rows of the corpus.

The service, the commands and the evaluation rank by it, so that what is judged is what is
served. Where items are found, and under which filter, is the caller's affair.

Legend: Q queries, N items of the corpus, K ranks, L positions of a history, V codes of
the history, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from feature_repo.encode import RESERVED
from serving.model.bundle import ModelBundle
from serving.model.rescorer import Rescorer
from serving.ranking.merge import NOTHING, Ranked, best, reordered, with_own, without
from serving.search.base import NO_PAIRS, Dropped

Arrays = Mapping[str, np.ndarray]
"""Encoded users by input."""
Find = Callable[[np.ndarray, int, Dropped], Ranked]
"""User vectors [Q, D], a depth, and items that a query must not get, to the best of the others; empty ranks last."""
Vectors = Callable[[np.ndarray], np.ndarray]
"""Rows of the corpus, of any shape, to their vectors float32 [..., D]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranker:
    """Scores of one version over one corpus."""

    rescorer: Rescorer | None
    """Repeat head or reranker, where the version has one."""
    row_V: np.ndarray
    """Row of the corpus of each code of the history, int32, NOTHING where there is none.

    Empty without a repeat head.
    """
    vectors: Vectors
    """Stored vectors of items."""
    items: int
    """N."""

    @classmethod
    def of(cls, towers: ModelBundle, ids: Sequence[str], vectors: Vectors) -> Ranker:
        """Ranker of a version.

        Args:
            towers: the model.
            ids: item ids of the corpus, sorted.
            vectors: stored vectors of items by their rows.
        """
        rescorer, row_V = towers.rescorer, np.empty(0, np.int32)
        if rescorer and not rescorer.candidates:
            row_of = dict(zip(ids, range(len(ids)), strict=True))
            known = towers.user.encoder.vocabularies[rescorer.history]
            row_V = np.array([NOTHING] * RESERVED + [row_of.get(id_, NOTHING) for id_ in known], np.int32)
        # Where seen items never return, there is nothing for a repeat head to score.
        if rescorer and not rescorer.candidates and not towers.schema.seen_items_may_return:
            row_V = np.full_like(row_V, NOTHING)
        return cls(rescorer=rescorer, row_V=row_V, vectors=vectors, items=len(ids))

    @property
    def reads_histories(self) -> bool:
        """Whether the version has a repeat head."""
        return self.rescorer is not None and not self.rescorer.candidates

    def own(self, users: Arrays, user_QD: np.ndarray) -> Ranked | None:
        """Score the items of the users' histories by the repeat head; None without one.

        Args:
            users: encoded users.
            user_QD: their embeddings.

        Returns:
            The items position by position, with empty places among them.
        """
        if self.rescorer is None or not self.reads_histories:
            return None
        rows_QL = self.row_V[users[f"{self.rescorer.history}_items"]]
        there_QL = rows_QL != NOTHING
        if not there_QL.any():
            return Ranked(rows_QK=rows_QL, scores_QK=np.full(rows_QL.shape, -np.inf, np.float32))
        scores_QL = self.rescorer.of_histories(users, user_QD, self.vectors(np.maximum(rows_QL, 0)))
        return Ranked(rows_QK=rows_QL, scores_QK=np.where(there_QL, scores_QL, -np.inf).astype(np.float32))

    def depth(self, k: int, own: Ranked | None) -> int:
        """How many items of the index a merge of k needs.

        Args:
            k: number of ranks.
            own: as of `own`.
        """
        taken = 0 if own is None else int((own.rows_QK != NOTHING).sum(axis=1).max(initial=0))
        return min(max(k + taken, self.rescorer.candidates if self.rescorer else 0), self.items)

    def merged(self, hits: Ranked, own: Ranked | None, user_QD: np.ndarray, k: int) -> Ranked:
        """Merge hits of the index with what the re-scorer says.

        Args:
            hits: items by the index, as deep as `depth` says, without those that a query must not get.
            own: as of `own`, likewise.
            user_QD: embeddings of the users.
            k: number of ranks.
        """
        if own is not None:
            return with_own(hits, own, k)
        hits = best(hits.rows_QK, hits.scores_QK, hits.rows_QK.shape[1])
        if self.rescorer is None:
            return Ranked(rows_QK=hits.rows_QK[:, :k], scores_QK=hits.scores_QK[:, :k])
        first_QC = hits.rows_QK[:, : self.rescorer.candidates]
        scores_QC = self.rescorer.of_candidates(user_QD, self.vectors(np.maximum(first_QC, 0)))
        return reordered(hits, scores_QC, k)

    def rank(
        self,
        users: Arrays,
        user_QD: np.ndarray,
        k: int,
        find: Find,
        *,
        allowed_N: np.ndarray | None = None,
        dropped: Dropped = NO_PAIRS,
    ) -> Ranked:
        """Rank the corpus for some users.

        Args:
            users: encoded users.
            user_QD: their embeddings.
            k: number of ranks; a k beyond the corpus gives all of it.
            find: finds items that are allowed.
            allowed_N: bool, the items that any query may get; None for all.
            dropped: items that a query must not get.
        """
        own = self.own(users, user_QD)
        if own is not None:
            own = restricted(own, allowed_N, dropped)
        # Own items have scores of their own: without them the index needs no deeper search than any other.
        found = find(user_QD, self.depth(k, None), dropped if own is None else joined(dropped, own))
        return self.merged(found, own, user_QD, k)


def restricted(own: Ranked, allowed_N: np.ndarray | None, dropped: Dropped) -> Ranked:
    """Own items that are allowed.

    Args:
        own: items of the queries' own.
        allowed_N: bool, the items that any query may get; None for all.
        dropped: items that a query must not get.
    """
    if allowed_N is not None:
        there_QL = (own.rows_QK != NOTHING) & allowed_N[np.maximum(own.rows_QK, 0)]
        own = Ranked(
            rows_QK=np.where(there_QL, own.rows_QK, NOTHING), scores_QK=np.where(there_QL, own.scores_QK, -np.inf)
        )
    return without(own, dropped.query_P, dropped.row_P)


def joined(dropped: Dropped, own: Ranked) -> Dropped:
    """Pairs that are dropped, and all own items."""
    query_P, position_P = np.nonzero(own.rows_QK != NOTHING)
    row_P = own.rows_QK[query_P, position_P].astype(np.int64)
    return Dropped(query_P=np.concatenate([dropped.query_P, query_P]), row_P=np.concatenate([dropped.row_P, row_P]))
