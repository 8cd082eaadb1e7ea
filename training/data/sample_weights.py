"""Weights of the interactions in the loss."""

from __future__ import annotations

import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID
from training.recipes import Reward, Weighting


def weighted(positives: pl.DataFrame, weighting: Weighting) -> pl.DataFrame:
    """Positives with their weights: age, novelty, value, and balance of users."""
    age = (pl.col("query_time").max() - pl.col("query_time")).dt.total_days()
    is_first = pl.col("query_time") == pl.col("query_time").min().over(USER_ID, ITEM_ID)
    novelty = pl.when(is_first).then(weighting.discovery_weight).otherwise(1.0)
    balance = pl.len().over(USER_ID).cast(pl.Float64) ** -weighting.user_balance
    weight = pl.col("weight") * 0.5 ** (age / weighting.half_life_days) * novelty * balance
    if weighting.reward:
        weight = weight * rewards(positives, weighting.reward)
    return positives.with_columns(weight.cast(pl.Float32))


def rewards(positives: pl.DataFrame, reward: Reward) -> pl.Series:
    """Weights by value, about 1 in the mean: Float64 [I]; see `Reward`.

    Args:
        positives: with `value`, null if it is not known.
        reward: bounds of the weights.

    Raises:
        ValueError: no column `value`, or no value above 0.
    """
    if "value" not in positives.columns:
        raise ValueError(
            "the recipe weighs interactions by their value, but the events of this dataset have none: name its column "
            "as `value` of the events, or leave reward out"
        )
    worth_I = positives["value"].clip(lower_bound=0).log1p()
    mean = worth_I.mean()
    if not isinstance(mean, float) or mean == 0:
        raise ValueError(
            f"the recipe weighs interactions by their value, but none of {len(worth_I):,} has one above 0: leave "
            "reward out"
        )
    return (worth_I / mean).clip(reward.floor, reward.cap).fill_null(1.0)
