"""Returns: the discounted rewards of a user from an interaction on.

Legend: I interactions.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from feature_repo.schema import USER_ID
from training.recipes import PolicyGradient

RETURN = "return"
"""Column of the returns."""
_DAY = timedelta(days=1) // timedelta(microseconds=1)
_MOMENT = [USER_ID, "timestamp"]


def with_returns(positives: pl.DataFrame, policy: PolicyGradient | None, until: datetime) -> pl.DataFrame:
    """Positives with their returns, about 1 in the mean: `return`, Float32.

        R = r + Σ discount^days · r' over the user's later interactions, [t, t + horizon_days)

    Interactions of the same time are no consequence of each other.

    Args:
        positives: `interactions` until `until`: what came or became known later is in none.
        policy: declaration of the returns; None leaves the positives as they are.
        until: end of the training part.

    Returns:
        The positives in their order. `return` is null, which `assemble` leaves out, where
            the horizon reaches beyond `until` and the recipe wants whole ones.

    Raises:
        ValueError: no column `value`, no reward above 0, or no horizon that is whole.
    """
    if policy is None:
        return positives
    rewarded = positives.select(*_MOMENT, reward=rewards(positives, policy))
    later = rewarded.join(_later(rewarded, policy), on=_MOMENT, how="left", maintain_order="left")
    returned = positives.with_columns((later["reward"] + later["later"]).alias(RETURN))
    if policy.whole_horizon:
        whole = pl.col("timestamp") + timedelta(days=policy.horizon_days) <= until
        returned = returned.with_columns(pl.when(whole).then(pl.col(RETURN)).alias(RETURN))
    mean = returned[RETURN].mean()
    if mean is None:
        raise ValueError(
            f"none of {positives.height:,} interactions has its {policy.horizon_days} days before {until}: lower "
            "PolicyGradient.horizon_days, or set whole_horizon=False"
        )
    if mean == 0:
        raise ValueError(f"none of {positives.height:,} interactions has a reward above 0: use reward='interactions'")
    return returned.with_columns((pl.col(RETURN) / mean).cast(pl.Float32))


def rewards(positives: pl.DataFrame, policy: PolicyGradient) -> pl.Series:
    """Reward of each interaction: Float64 [I].

    Args:
        positives: with `value`, null if it is not known, where the policy counts values.
        policy: declaration of the rewards.
    """
    if policy.reward == "interactions":
        return pl.repeat(1.0, positives.height, dtype=pl.Float64, eager=True)
    if "value" not in positives.columns:
        raise ValueError(
            "the recipe rewards interactions by their value, but the events of this dataset have none: name its column "
            "as `value` of the events, or use reward='interactions'"
        )
    return positives["value"].cast(pl.Float64).clip(lower_bound=0).fill_null(strategy="mean").fill_null(0.0)


def _later(rewarded: pl.DataFrame, policy: PolicyGradient) -> pl.DataFrame:
    """Discounted later rewards of each user and time, as `later`.

    Time is cut into blocks as long as the horizon, so that every horizon ends in the next
    block. Sums from each time to the end of its block, and from the start of each block to
    a time, then give all of them in one pass; none is a difference, which would lose
    small rewards behind large ones.
    """
    horizon = policy.horizon_days * _DAY
    time = pl.col("timestamp").dt.epoch("us")
    # Sorted, because the sum of floats depends on their order.
    moments = rewarded.group_by(_MOMENT).agg(pl.col("reward").sort().sum()).sort(_MOMENT)
    moments = moments.with_columns(block=time // horizon, days=(time % horizon) / _DAY)
    moments = moments.with_columns(discount=policy.discount ** pl.col("days"))
    worth = pl.col("reward") * pl.col("discount")
    sums = moments.with_columns(
        within=worth.cum_sum(reverse=True).shift(-1).over(USER_ID, "block").fill_null(0.0),
        so_far=worth.cum_sum().over(USER_ID, "block"),
    ).sort("timestamp", USER_ID)
    ends = sums.select(*_MOMENT, end=pl.col("timestamp") + timedelta(microseconds=horizon), block=pl.col("block") + 1)
    # The last time of the next block that lies before the end.
    met = ends.join_asof(
        sums.select(USER_ID, "block", met="timestamp", next="so_far"),
        left_on="end",
        right_on="met",
        by=[USER_ID, "block"],
        allow_exact_matches=False,
        check_sortedness=False,
    )
    further = met["next"].fill_null(0.0) * policy.discount ** (policy.horizon_days - sums["days"])
    return sums.select(*_MOMENT, later=pl.col("within") / pl.col("discount") + further)
