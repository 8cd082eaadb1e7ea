"""Impressions without interaction: items that users saw and did not take.

Legend: U users, M impressions.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID
from feature_repo.tables.snapshots import known_before
from training.data.training_set import TrainingSet
from training.recipes import Impressions, TrainConfig


def with_impressions(
    data: TrainingSet,
    impressions: pl.DataFrame | None,
    positives: pl.DataFrame,
    corpus: pl.Series,
    until: datetime,
    config: TrainConfig,
) -> TrainingSet:
    """Training set with impressions without interaction, if the recipe asks for them.

    Args:
        data: training set of the positives.
        impressions: canonical impressions; None if the data have none.
        positives: `interactions` of the training part.
        corpus: ids of all items.
        until: end of the training part.
        config: the recipe.

    Returns:
        The training set, unchanged for a recipe without impressions.

    Raises:
        ValueError: the recipe asks for impressions and the data have none.
    """
    if not isinstance(config.negatives.hard, Impressions):
        return data
    if impressions is None:
        raise ValueError(
            f"the recipe has hard={config.negatives.hard}, but the data have no impressions: bring a table of what "
            "users were shown, or leave hard out"
        )
    return replace(
        data, impression_UM=impressions_not_taken(impressions, positives, corpus, until, config.negatives.hard)
    )


def impressions_not_taken(
    impressions: pl.DataFrame, positives: pl.DataFrame, corpus: pl.Series, until: datetime, config: Impressions
) -> np.ndarray:
    """Newest impressions that the user never took: int64 [U, M], -1 behind the last.

    Args:
        impressions: canonical; read only where they happened and were known before
            `until`.
        positives: `interactions` until then.
        corpus: ids of all items.
        until: end of the training part.
        config: number of impressions to keep.

    Returns:
        Rows of `corpus` for every user of the positives that retrieval learns, sorted by
            user id.

    Raises:
        ValueError: no user has any, because training would silently go on without them.
    """
    users = positives.drop_nulls("weight")[USER_ID].unique().sort()
    left = (
        known_before(impressions, until)
        .filter(pl.col(USER_ID).is_in(users.implode()))
        .join(positives, on=[USER_ID, ITEM_ID], how="anti")
        .group_by(USER_ID, ITEM_ID)
        .agg(pl.col("timestamp").max())
        .sort([USER_ID, "timestamp", ITEM_ID], descending=[False, True, False])
        .select(
            user=pl.col(USER_ID).replace_strict(users, np.arange(len(users))),
            item=pl.col(ITEM_ID).replace_strict(corpus, np.arange(len(corpus))),
            rank=pl.int_range(pl.len()).over(USER_ID),
        )
        .filter(pl.col("rank") < config.newest)
    )
    if left.is_empty():
        raise ValueError(
            f"of {impressions.height:,} impressions none before {until} is of an item that its user did not take in "
            f"the training part, where {len(users):,} users take something: leave hard={config} out"
        )
    impression_UM = np.full((len(users), config.newest), -1)
    impression_UM[left["user"].to_numpy(), left["rank"].to_numpy()] = left["item"].to_numpy()
    return impression_UM
