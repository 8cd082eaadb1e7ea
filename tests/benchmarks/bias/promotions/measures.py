"""Ranking of a version's index by the true relevance, and what its log told.

Legend: U households, N products, D dimensions, L products of an answer, K ranks.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables
from serving.release.load import Release
from serving.settings import Settings
from tests.benchmarks.bias.promotions.market import DATASET, Market
from tests.benchmarks.rolling.systems import features_at, item_vectors
from training.retrieval.ranking import top_k

LENGTH, RANKS, BEST = 10, 5, 20
"""Products of a random answer, ranks of its NDCG, and ranks of the whole corpus."""


def scores(settings: Settings, market: Market, tables: Tables, version: int, at: datetime) -> np.ndarray:
    """Inner products of all households with the version's index: float32 [U, N].

    Args:
        settings: settings of the home.
        market: ids of households and products.
        tables: canonical tables of the run, for the features of the households.
        version: number of the version.
        at: time of the features.
    """
    release = Release.load(settings, DATASET, version)
    asked = pl.DataFrame({"user_id": market.users, "event_timestamp": [at] * len(market.users)})
    user_UD = release.embed_users(features_at(tables, asked))
    product_UN: np.ndarray = user_UD @ item_vectors(settings, release, market.products["item_id"]).T
    return product_UN


def ndcg(score_UN: np.ndarray, relevance_UN: np.ndarray, *, seed: int) -> float:
    """NDCG@5 of random answers of ten products by the true relevance, one for each household."""
    item_UL = np.argsort(np.random.default_rng(seed).random(score_UN.shape), axis=1)[:, :LENGTH]
    gain_UL, score_UL = (np.take_along_axis(each, item_UL, axis=1) for each in (relevance_UN, score_UN))
    discount_K = 1 / np.log2(np.arange(2, RANKS + 2))
    found, best = (
        np.take_along_axis(gain_UL, np.argsort(-by_UL, axis=1, kind="stable")[:, :RANKS], axis=1) @ discount_K
        for by_UL in (score_UL, gain_UL)
    )
    return float((found / best).mean())


def recall(score_UN: np.ndarray, relevance_UN: np.ndarray) -> float:
    """Relevance of the 20 best of the corpus, as a share of the most that 20 products have."""
    found, best = (
        np.take_along_axis(relevance_UN, top_k(by_UN, BEST), axis=1).sum(axis=1) for by_UN in (score_UN, relevance_UN)
    )
    return float((found / best).mean())
