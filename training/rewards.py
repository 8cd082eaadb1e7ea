"""The weight of each interaction by the value of its events.

Legend: I interactions.
"""

from __future__ import annotations

import polars as pl

from training.recipes.reward import Reward


def rewards(positives: pl.DataFrame, reward: Reward) -> pl.Series:
    """Float64 [I], about 1 in the mean; see `Reward`. positives: with `value`, null where it is not known.

    ValueError without that column, or where no interaction is worth anything, so that none is worth more.
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
