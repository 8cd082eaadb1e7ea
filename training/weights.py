"""How much each interaction counts in the loss."""

from __future__ import annotations

import polars as pl

from feature_repo.schema import Entity
from training.recipes import TrainConfig
from training.rewards import rewards

USER, ITEM = Entity.USER.key, Entity.ITEM.key


def weighted(positives: pl.DataFrame, config: TrainConfig) -> pl.DataFrame:
    """Positives weighted by age (half for every half_life_days), novelty (discovery_weight), value (reward), and by how
    many their user has (user_balance)."""
    age = (pl.col("query_time").max() - pl.col("query_time")).dt.total_days()
    is_first = pl.col("query_time") == pl.col("query_time").min().over(USER, ITEM)
    novelty = pl.when(is_first).then(config.discovery_weight).otherwise(1.0)
    balance = pl.len().over(USER).cast(pl.Float64) ** -config.user_balance
    weight = pl.col("weight") * 0.5 ** (age / config.half_life_days) * novelty * balance
    if config.reward:
        weight = weight * rewards(positives, config.reward)
    return positives.with_columns(weight.cast(pl.Float32))
