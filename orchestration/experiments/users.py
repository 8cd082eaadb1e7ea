"""Users of an experiment: their variant, and what they did in and before their window."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from feature_repo.errors import InputError
from feature_repo.schema import USER_ID
from serving.experiments.definition import Experiment

_TOLERANCE = 1e-9
"""Difference of propensities that is rounding."""


@dataclass(frozen=True, kw_only=True)
class Users:
    """Users of an experiment, by the variant of their first answer."""

    assigned: dict[str, int]
    """Number of users by variant."""
    complete: dict[str, int]
    """Number of users with a complete window by variant."""
    crossed: int
    """Number of users that saw a second variant."""
    counted: pl.DataFrame
    """One row for each user with a complete window: variant, sums inside and before it."""
    answers: pl.DataFrame
    """Answers inside the windows, with `clicked`."""


def users_of(experiment: Experiment, exposures: pl.DataFrame, outcomes: pl.DataFrame, as_of: datetime) -> Users:
    """Gather the users of an experiment.

    A user counts once the window after the first answer has passed: then the outcome is
    final, whenever the report is made.

    Args:
        experiment: the experiment.
        exposures: exposures of any experiments.
        outcomes: clicks and purchases.
        as_of: end of the data.

    Raises:
        InputError: exposures that the definition does not explain.
    """
    shown = exposures.filter(
        pl.col("experiment") == experiment.name,
        pl.col("timestamp") >= experiment.start,
        pl.col("timestamp") < min(experiment.end, as_of),
    )
    if shown.is_empty():
        raise InputError(f"no exposure of {experiment.name} from {experiment.start} to {as_of}; wanted some")
    _refuse_unexplained(experiment, shown)
    first = (
        shown.sort("timestamp", "request_id")
        .group_by(USER_ID, maintain_order=True)
        .agg(pl.first("variant"), pl.first("timestamp").alias("first"), pl.n_unique("variant").alias("seen"))
        .with_columns(last=pl.col("first") + experiment.window)
    )
    done = first.filter(pl.col("last") <= min(experiment.end, as_of)).drop("seen")
    acts = outcomes.with_columns(
        is_click=pl.col("kind").is_in(experiment.clicks), is_purchase=pl.col("kind").is_in(experiment.purchases)
    )
    answers = _answers(shown, acts, done)
    return Users(
        assigned=_count(first, experiment),
        complete=_count(done, experiment),
        crossed=first.filter(pl.col("seen") > 1).height,
        counted=_sums(done, answers, acts),
        answers=answers,
    )


def _count(users: pl.DataFrame, experiment: Experiment) -> dict[str, int]:
    """Count users by variant, in the order of the definition."""
    counts = dict(users.group_by("variant").len().iter_rows())
    return {name: counts.get(name, 0) for name in experiment.propensities}


def _refuse_unexplained(experiment: Experiment, shown: pl.DataFrame) -> None:
    """Refuse variants and propensities other than those of the definition."""
    for variant, low, high in (
        shown.group_by("variant", maintain_order=True)
        .agg(pl.min("propensity").alias("low"), pl.max("propensity").alias("high"))
        .iter_rows()
    ):
        wanted = experiment.propensities.get(variant)
        if wanted is None:
            known = ", ".join(experiment.propensities)
            raise InputError(f"exposures of {experiment.name}: variant {variant!r}; wanted one of {known}")
        if max(abs(low - wanted), abs(high - wanted)) > _TOLERANCE:
            raise InputError(
                f"exposures of {experiment.name}: {variant} was assigned with propensities {low:.4g} to {high:.4g}, "
                f"and its weight gives {wanted:.4g}; wanted one propensity for the whole experiment. Give an "
                "experiment with changed weights a new name and salt"
            )


def _answers(shown: pl.DataFrame, outcomes: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """Answers inside the windows; `clicked` if an item of it was clicked inside the window."""
    inside = pl.col("timestamp") < pl.col("last")
    clicks = (
        outcomes.filter("is_click")
        .join(users.select(USER_ID, "last"), on=USER_ID)
        .filter(inside)
        .select(USER_ID, "request_id", clicked=pl.lit(True))
        .unique()
    )
    return (
        shown.join(users.select(USER_ID, "first", "last"), on=USER_ID)
        .filter(inside)
        .join(clicks, on=[USER_ID, "request_id"], how="left")
        .with_columns(pl.col("clicked").fill_null(False))
    )


def _sums(users: pl.DataFrame, answers: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """Sums of each user inside the window, and in a time of the same length before it."""
    moment, first, last = pl.col("timestamp"), pl.col("first"), pl.col("last")
    inside = (moment >= first) & (moment < last)
    # Only what came before the first answer: no variant can have changed it.
    before = (moment < first) & (moment >= first - (last - first))
    clicked, bought = pl.col("is_click"), pl.col("is_purchase")
    value = pl.col("value").fill_null(0.0)
    acts = outcomes.join(users.select(USER_ID, "first", "last"), on=USER_ID)
    sums = acts.group_by(USER_ID).agg(
        converted=(inside & bought).any().cast(pl.Float64),
        value=value.filter(inside & bought).sum(),
        clicked_before=(before & clicked).sum().cast(pl.Float64),
        converted_before=(before & bought).any().cast(pl.Float64),
        value_before=value.filter(before & bought).sum(),
    )
    rates = answers.group_by(USER_ID).agg(
        answers=pl.len().cast(pl.Float64), clicked=pl.col("clicked").sum().cast(pl.Float64)
    )
    joined = users.join(rates, on=USER_ID).join(sums, on=USER_ID, how="left").sort("first", USER_ID)
    return joined.with_columns(pl.col(pl.Float64).fill_null(0.0))
