"""Preference between the two variants of an interleaved experiment."""

from __future__ import annotations

import polars as pl

from feature_repo.errors import InputError
from feature_repo.schema import ITEM_ID, USER_ID
from orchestration.experiments.users import Users
from serving.experiments.definition import Experiment
from serving.experiments.statistics.preference import Preference, preference

MIN_CLICKERS = 20
"""Users with a click below which there is no preference."""


def preference_of(experiment: Experiment, users: Users, outcomes: pl.DataFrame) -> Preference | None:
    """Preference of the users who clicked; None for too few.

    A click counts for the variant that picked the item of the clicked answer.

    Args:
        experiment: the experiment.
        users: its users.
        outcomes: clicks among other outcomes.

    Returns:
        Preference for the second variant over the first.

    Raises:
        InputError: an answer without a team for each item.
    """
    lengths = users.answers.filter(pl.col("items").list.len() != pl.col("teams").list.len().fill_null(0))
    if lengths.height:
        example = lengths["request_id"][0]
        raise InputError(f"request {example!r} has other numbers of items and teams; wanted a team for each item")
    first, second = (variant.name for variant in experiment.variants)
    picks = users.answers.select(USER_ID, "request_id", "last", pl.col("items").alias(ITEM_ID), pl.col("teams"))
    lead = (
        outcomes.filter(pl.col("kind").is_in(experiment.clicks))
        .join(picks.explode(ITEM_ID, "teams"), on=[USER_ID, "request_id", ITEM_ID])
        .filter(pl.col("timestamp") < pl.col("last"), pl.col("teams").is_in([first, second]))
        .unique([USER_ID, "request_id", ITEM_ID])
        .group_by(USER_ID)
        .agg(lead=(pl.col("teams") == second).sum().cast(pl.Int64) - (pl.col("teams") == first).sum().cast(pl.Int64))
        .sort(USER_ID)  # the same report for the same log, to the last bit
    )
    return preference(lead["lead"].to_numpy()) if lead.height >= MIN_CLICKERS else None
