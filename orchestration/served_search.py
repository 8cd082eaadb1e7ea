"""Exact search by the ranking that a version serves.

Legend: Q queries, N items of the corpus, D dimensions, K ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from serving.model.bundle import ModelBundle
from serving.model.rescorer import QUERIES_AT_ONCE
from serving.ranking import NOTHING, Ranked, Ranker, restricted
from serving.search import Dropped
from training.retrieval.exact import MakeSearch, Mask, exact_search


@dataclass(frozen=True, eq=False)
class ServedSearch(MakeSearch):
    """Search by an exact index and the ranker of a version."""

    ranker: Ranker
    """Ranker over the corpus."""
    users: Mapping[str, np.ndarray]
    """Encoded queries; empty where the ranker does not read them."""
    user_QD: np.ndarray
    """Their embeddings."""
    item_ND: np.ndarray
    """Embeddings of the corpus."""

    def lists(self, rows: np.ndarray, k: int, masks: Sequence[Mask]) -> list[np.ndarray]:
        """Lists under each mask, as of `MakeSearch`; each query is scored once."""
        starts = range(0, len(rows), QUERIES_AT_ONCE)
        blocks = [self._block(rows[start : start + QUERIES_AT_ONCE], k, masks) for start in starts]
        lists = [np.full((len(rows), k), NOTHING, np.int32) for _ in masks]
        for start, block in zip(starts, blocks, strict=True):
            for list_QK, ranked in zip(lists, block, strict=True):
                list_QK[start : start + len(ranked.rows_QK), : ranked.rows_QK.shape[1]] = ranked.rows_QK
        return lists

    def ranked(self, rows: np.ndarray, k: int, mask: Mask) -> Ranked:
        """Lists of a few queries with their scores, as `lists` without scores.

        Args:
            rows: query rows, at most `QUERIES_AT_ONCE`.
            k: length of the lists.
            mask: items that they must not hold.
        """
        return self._block(rows, k, [mask])[0]

    def _block(self, rows: np.ndarray, k: int, masks: Sequence[Mask]) -> list[Ranked]:
        """Lists of a block of queries under each mask."""
        user_QD = self.user_QD[rows]
        own = self.ranker.own({name: array[rows] for name, array in self.users.items()}, user_QD)
        found = exact_search(self.user_QD, self.item_ND).lists(rows, self.ranker.depth(k, own), masks)
        lists = []
        for rows_QK, mask in zip(found, masks, strict=True):
            scores_QK = np.einsum("qd,qkd->qk", user_QD, self.item_ND[np.maximum(rows_QK, 0)])
            hits = Ranked(rows_QK=rows_QK, scores_QK=np.where(rows_QK == NOTHING, -np.inf, scores_QK))
            allowed = own and restricted(own, mask.corpus, dropped_of(mask, rows))
            lists.append(self.ranker.merged(hits, allowed, user_QD, k))
        return lists


def dropped_of(mask: Mask, rows: np.ndarray) -> Dropped:
    """Items that a mask excludes, of some queries alone."""
    if mask.exclude is None:
        return Dropped()
    pairs = mask.exclude[rows].tocoo()
    return Dropped(query_P=pairs.row.astype(np.int64), row_P=pairs.col.astype(np.int64))


def served_search(
    towers: ModelBundle, asked: pl.DataFrame, user_QD: np.ndarray, corpus: pl.Series, item_ND: np.ndarray
) -> ServedSearch:
    """Search by the scores of a version, with those of its rescorer where it has one.

    Args:
        towers: towers and rescorer of the version.
        asked: features of the queries.
        user_QD: their embeddings.
        corpus: item ids.
        item_ND: their embeddings.
    """
    ranker = Ranker.of(towers, corpus.to_list(), lambda rows: item_ND[rows])
    users = towers.user.encoder.encode(asked) if ranker.reads_histories else {}
    return ServedSearch(ranker, users, user_QD, item_ND)
