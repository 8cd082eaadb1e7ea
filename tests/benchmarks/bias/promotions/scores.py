"""Scores of a version's index.

Legend: U households, N products, D dimensions.
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
