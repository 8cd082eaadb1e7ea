"""What users were shown and did not take: negatives of their own that a log of takings alone does not hold.

Legend: U users, M shown items.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID
from training.data.training_set import TrainingSet
from training.recipes import Impressions, TrainConfig


def with_shown(
    data: TrainingSet,
    impressions: pl.DataFrame | None,
    positives: pl.DataFrame,
    corpus: pl.Series,
    until: datetime,
    config: TrainConfig,
) -> TrainingSet:
    """The training set of these positives with what its users were shown and did not take, if the recipe asks for it.
    ValueError if it does and the data have no impressions."""
    if not isinstance(config.negatives.hard, Impressions):
        return data
    if impressions is None:
        raise ValueError(
            f"the recipe has hard={config.negatives.hard}, but the data have no impressions: bring a table of what "
            "users were shown, or leave hard out"
        )
    return replace(data, shown_UM=shown_not_taken(impressions, positives, corpus, until, config.negatives.hard))


def shown_not_taken(
    impressions: pl.DataFrame, positives: pl.DataFrame, corpus: pl.Series, until: datetime, config: Impressions
) -> np.ndarray:
    """int64 [U, M]: for every user of the positives, sorted by id, the rows of `corpus` that the user was shown and
    never took in the training part; the newest `config.newest` of them, -1 behind the last.

    impressions: canonical; read only where they happened and were known before `until`, the end of the training part.
    positives: `interactions` until then. ValueError where no user has any: training would do without them in silence.
    """
    users = positives[USER_ID].unique().sort()
    left = (
        impressions.filter(pl.max_horizontal("timestamp", "created") < until)
        .filter(pl.col(USER_ID).is_in(users.implode()))
        .join(positives, on=[USER_ID, ITEM_ID], how="anti")
        .group_by(USER_ID, ITEM_ID)
        .agg(pl.col("timestamp").max())
        .sort([USER_ID, "timestamp", ITEM_ID], descending=[False, True, False])
        .select(
            user=pl.col(USER_ID).replace_strict(users, np.arange(len(users))),
            item=pl.col(ITEM_ID).replace_strict(corpus, np.arange(len(corpus))),
            place=pl.int_range(pl.len()).over(USER_ID),
        )
        .filter(pl.col("place") < config.newest)
    )
    if left.is_empty():
        raise ValueError(
            f"of {impressions.height:,} impressions none before {until} is of an item that its user did not take in "
            f"the training part, where {len(users):,} users take something: leave hard={config} out"
        )
    shown_UM = np.full((len(users), config.newest), -1)
    shown_UM[left["user"].to_numpy(), left["place"].to_numpy()] = left["item"].to_numpy()
    return shown_UM
