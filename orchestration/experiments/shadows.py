"""Click-through rate that a shadow would have had, from the answers that were shown."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from feature_repo.schema import USER_ID
from orchestration.experiments.users import Users
from serving.experiments.definition import Experiment
from serving.experiments.statistics.estimate import Estimate, Interval
from serving.experiments.statistics.off_policy import (
    Logged,
    cross_fitted,
    doubly_robust,
    effective_users,
    ips,
    refusal,
    snips,
)


@dataclass(frozen=True, kw_only=True)
class ShadowValue:
    """Off-policy estimates of one shadow."""

    shadow: str
    effective_users: float
    refused: str | None
    """Reason for no estimate."""
    estimates: dict[str, Estimate]
    """By method: `ips`, `snips`, `doubly_robust`."""
    intervals: dict[str, Interval]
    """95 % interval of each."""


def shadow_values(experiment: Experiment, users: Users) -> list[ShadowValue]:
    """Estimate the click-through rate of each shadow.

    Only answers count whose probability over all variants was logged.
    """
    answers = users.answers.drop_nulls("answer_propensity")
    known = users.counted.select(USER_ID, "clicked_before").with_row_index("row")
    answers = answers.join(known, on=USER_ID)
    return [_value(shadow.name, answers) for shadow in experiment.shadows]


def _value(shadow: str, answers: pl.DataFrame) -> ShadowValue:
    user_N = answers["row"].rank("dense").cast(pl.Int64).to_numpy() - 1
    logged = Logged(
        reward_N=answers["clicked"].cast(pl.Float64).to_numpy(),
        propensity_N=answers["answer_propensity"].to_numpy(),
        target_N=answers["agreeing"].list.contains(shadow).fill_null(False).cast(pl.Float64).to_numpy(),
        user_N=user_N,
    )
    estimates: dict[str, Estimate] = {}
    refused = refusal(logged)
    if refused is None:
        # The prediction knows the user and no item: it is the same for both answers.
        predicted_N = cross_fitted(answers["clicked_before"].to_numpy(), logged)
        robust = doubly_robust(logged, predicted_N, predicted_N)
        estimates = {"ips": ips(logged), "snips": snips(logged), "doubly_robust": robust}
    return ShadowValue(
        shadow=shadow,
        effective_users=effective_users(logged),
        refused=refused,
        estimates=estimates,
        intervals={name: each.interval() for name, each in estimates.items()},
    )
