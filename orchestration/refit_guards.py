"""A refit beside its judged twin, asked for the same users at the end of the data.

Legend: Q users, N items of the corpus, D dimensions, K ranks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.encode import asked_at
from feature_repo.schema import ITEM_ID, USER_ID
from orchestration.asset_files import features_folder
from orchestration.asset_values import Version
from orchestration.evaluation import INDEX_K
from orchestration.index_recall import sampled_index_recall
from orchestration.parity import measure_parity, sample_of
from orchestration.served_search import ServedSearch, served_search
from serving.corpus import Corpus
from serving.gate.refit import Guards
from serving.model.bundle import ModelBundle
from training.baselines import Log
from training.data.interactions import at
from training.retrieval.exact import Mask

USERS, K = 2_000, 20
"""Users that both are asked for, drawn at random, and the length of their lists."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """Lists of one version."""

    search: ServedSearch
    user_QD: np.ndarray
    item_ND: np.ndarray
    list_QK: np.ndarray
    """Rows of the corpus, -1 where there are fewer."""

    @classmethod
    def of(cls, towers: ModelBundle, asked: pl.DataFrame, corpus: pl.DataFrame, mask: Mask) -> Answers:
        """Answers of towers to users.

        Args:
            towers: the version.
            asked: features of the users.
            corpus: features of the items.
            mask: what no answer may hold.
        """
        user_QD, item_ND = towers.user.embed(asked), towers.item.embed(corpus)
        search = served_search(towers, asked, user_QD, corpus[ITEM_ID], item_ND)
        (list_QK,) = search.lists(np.arange(len(asked)), K, [mask])
        return cls(search=search, user_QD=user_QD, item_ND=item_ND, list_QK=list_QK)

    def scores(self) -> np.ndarray:
        """Sorted scores of all lists, without a rescorer's."""
        scores_QK = np.einsum("qd,qkd->qk", self.user_QD, self.item_ND[np.maximum(self.list_QK, 0)])
        return np.sort(scores_QK[self.list_QK >= 0])


def measure_guards(
    corpus: Corpus, tables: Tables, value: Version, towers: ModelBundle, twin: ModelBundle, *, seed: int
) -> Guards:
    """Measure a refit beside its twin.

    Args:
        corpus: items of the refit's collection, with the searcher that serves.
        tables: canonical tables that it learned from.
        value: the refit, whose source ends its training part at the end of the data.
        towers: its towers.
        twin: those of the judged version.
        seed: random seed of the samples.
    """
    moment, frames = value.source.cut, value.frames
    everyone = at(pl.scan_parquet(frames / "queries.parquet"), moment)
    items = at(pl.scan_parquet(frames / "item_snapshots.parquet"), moment, week=True)
    seen_UN = Log.before(tables.events, everyone[USER_ID], items[ITEM_ID], moment).histories()
    rows = np.sort(np.random.default_rng(seed).permutation(len(everyone))[:USERS])
    asked = asked_at(everyone[rows], moment)
    seen_QN = None if tables.schema.seen_items_may_return else seen_UN[rows]
    mask = Mask(exclude=seen_QN)
    own, judged = (Answers.of(each, asked, items, mask) for each in (towers, twin))
    k = max(INDEX_K, towers.rescorer.candidates if towers.rescorer else 0)
    recall, _ = sampled_index_recall(
        corpus, tables.schema, tables.items, own.user_QD, own.item_ND, seen_QN, k=k, seed=seed
    )
    return Guards(
        index_recall=recall,
        users=len(rows),
        overlap=overlap(judged.list_QK, own.list_QK),
        score_shift=distance(own.scores(), judged.scores()),
        item_dims=effective_dims(own.item_ND) / effective_dims(judged.item_ND),
        user_dims=effective_dims(own.user_QD) / effective_dims(judged.user_QD),
        parity=measure_parity(
            sample_of(own.search, asked, mask, seed=seed),
            features_folder(value.source),
            tables,
            moment,
            towers,
            corpus,
            items[ITEM_ID],
        ),
    )


def overlap(list_QK: np.ndarray, other_QK: np.ndarray) -> float:
    """Mean share of each list's items that the other list holds; lists of nothing are left out."""
    held_QK = ((list_QK[:, :, None] == other_QK[:, None, :]) & (list_QK >= 0)[:, :, None]).any(axis=2)
    number_Q = (list_QK >= 0).sum(axis=1)
    return float((held_QK.sum(axis=1)[number_Q > 0] / number_Q[number_Q > 0]).mean())


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference of the distribution functions of two sorted samples [Kolmogorov and Smirnov]."""
    values = np.concatenate([one, other])
    return float(
        np.abs(
            np.searchsorted(one, values, side="right") / len(one)
            - np.searchsorted(other, values, side="right") / len(other)
        ).max()
    )


def effective_dims(vectors_ND: np.ndarray) -> float:
    """Exponential of the entropy of the spectrum, from 1 to D [Roy and Vetterli, EUSIPCO 2007].

    Not centred: towers that embed everything alike have one dimension, and those that embed it as nothing have none.
    NaN for vectors that are not finite.
    """
    if not np.isfinite(vectors_ND).all():
        return float("nan")
    share_D = np.linalg.eigvalsh(vectors_ND.T.astype(np.float64) @ vectors_ND).clip(0)
    if not share_D.any():
        return 0.0
    share_D = share_D[share_D > 0] / share_D.sum()
    return float(np.exp(-(share_D * np.log(share_D)).sum()))
