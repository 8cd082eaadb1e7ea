"""The re-scorer of a release: scores of user-item pairs beyond the inner product.

There are two kinds, and a release has at most one of them. A repeat head adds a learned term to the score of each item
in the user's history, from how often and how long ago the item was taken: one user vector cannot be near to all of them
at once. A reranker scores the best candidates of the index again from both embeddings.

Legend: Q users, L positions of a history, P positions of a history or ranks of candidates, D dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from feature_repo.encode import RESERVED, Encoder, InputKind
from feature_repo.program import Program
from feature_repo.schema import ITEM_ID

QUERY = "query"
USERS_AT_ONCE = 256
"""The embeddings of a call take 256 · P · D numbers."""
PAIRS = {QUERY: pl.Int64, ITEM_ID: pl.String, "position": pl.Int64}
"""Pairs: row of the user, item, and position in the user's history or among the candidates, from 0."""
SCORED = {QUERY: pl.Int64, ITEM_ID: pl.String, "score": pl.Float64}
"""Scored pairs."""
Vectors = Mapping[str, np.ndarray]
"""Embeddings by item id."""


@dataclass(frozen=True, kw_only=True)
class Rescorer:
    """An exported re-scorer: a repeat head or a reranker."""

    encoder: Encoder
    """The encoder of the user tower."""
    program: Program
    candidates: int = 0
    """Number of candidates that a reranker scores; 0 for a repeat head."""

    @cached_property
    def history(self) -> str:
        """Name of the history whose items are scored.

        ValueError unless the encoder has exactly one.
        """
        names = [each.name for each in self.encoder.inputs if each.kind is InputKind.HISTORY]
        if len(names) != 1:
            raise ValueError(f"a re-scorer needs one history of the user, and the encoder has {names or 'none'}")
        return names[0]

    def history_items(self, users: pl.DataFrame) -> list[str]:
        """List the distinct items of the users' histories, sorted."""
        return users[f"{self.history}_items"].explode().drop_nulls().unique().sort().to_list()

    def positions(self, users: pl.DataFrame, vectors: Vectors) -> pl.DataFrame:
        """List the history items that can be scored, as PAIRS.

        They have a vector, and the head knows them.
        """
        if not vectors:
            return pl.DataFrame(schema=PAIRS)
        codes_QL = self.encoder.encode(users)[f"{self.history}_items"]
        cut = users.select(pl.col(f"{self.history}_items").list.head(codes_QL.shape[1]).alias(ITEM_ID))
        position = pl.int_range(pl.len(), dtype=pl.Int64).over(QUERY)
        rows = (
            cut.with_row_index(QUERY).explode(ITEM_ID).select(pl.col(QUERY).cast(pl.Int64), ITEM_ID, position=position)
        )
        rows = rows.drop_nulls(ITEM_ID).filter(pl.col(ITEM_ID).is_in(list(vectors)))
        return rows.filter(codes_QL[rows[QUERY].to_numpy(), rows["position"].to_numpy()] >= RESERVED)

    def score(self, users: pl.DataFrame, user_QD: np.ndarray, vectors: Vectors, pairs: pl.DataFrame) -> pl.DataFrame:
        """Score pairs by the inner product and the learned term.

        Args:
            users: features as of event_timestamp.
            user_QD: embeddings of the users.
            vectors: embeddings of the items.
            pairs: pairs as PAIRS, each with a vector.

        Returns:
            The pairs as SCORED, in their order.
        """
        pairs = pairs.with_row_index("pair")
        starts = range(0, len(users), USERS_AT_ONCE) if len(pairs) else ()
        blocks = [(slice(start, start + USERS_AT_ONCE), _within(pairs, start, USERS_AT_ONCE)) for start in starts]
        parts = [self._block(users[rows], user_QD[rows], vectors, own) for rows, own in blocks if len(own)]
        empty = pl.DataFrame(schema={"pair": pl.UInt32, "score": pl.Float64})
        scored = pl.concat([empty, *parts]).sort("pair")
        return pairs.select(QUERY, ITEM_ID, score=scored["score"])

    def _block(self, users: pl.DataFrame, user_QD: np.ndarray, vectors: Vectors, pairs: pl.DataFrame) -> pl.DataFrame:
        """Score all pairs of a few users: columns pair and score."""
        given, positions = {"user_embedding": user_QD}, self.candidates
        if not self.candidates:
            given |= self.encoder.encode(users)
            positions = given[f"{self.history}_items"].shape[1]
        query, position = pairs[QUERY].to_numpy(), pairs["position"].to_numpy()
        vectors_QPD = np.zeros((len(user_QD), positions, user_QD.shape[1]), np.float32)
        vectors_QPD[query, position] = _stacked(vectors, pairs[ITEM_ID])
        given["candidate_embeddings" if self.candidates else "history_embeddings"] = vectors_QPD
        scores_QP = self.program(given)
        return pairs.select("pair", score=pl.Series(scores_QP[query, position].astype(np.float64)))


def _within(pairs: pl.DataFrame, start: int, queries: int) -> pl.DataFrame:
    """Select the pairs of a range of queries, and count the queries from its start."""
    return pairs.with_columns(pl.col(QUERY) - start).filter(pl.col(QUERY).is_between(0, queries, closed="left"))


def _stacked(vectors: Vectors, ids: pl.Series) -> np.ndarray:
    """Stack the vectors of ids: float32 [ids, D]."""
    distinct = ids.unique()
    row = ids.replace_strict(distinct, np.arange(len(distinct)), return_dtype=pl.Int64)
    stacked: np.ndarray = np.stack([vectors[id_] for id_ in distinct])[row.to_numpy()]
    return stacked
