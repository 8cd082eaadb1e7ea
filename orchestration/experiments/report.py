"""Report on an experiment: all numbers, and what keeps some of them back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from feature_repo.errors import InputError
from orchestration.experiments.effects import (
    METRICS,
    MIN_USERS,
    Effect,
    Level,
    Metric,
    by_variant,
    effects,
    levels,
    with_cuped,
)
from orchestration.experiments.interleaved import MIN_CLICKERS, preference_of
from orchestration.experiments.shadows import ShadowValue, shadow_values
from orchestration.experiments.users import Users, users_of
from serving.experiments.definition import Design, Experiment
from serving.experiments.statistics.preference import Preference
from serving.experiments.statistics.sample_ratio import LIMIT, SampleRatio, sample_ratio

Values = dict[Metric, dict[str, np.ndarray]]
"""Values of the users by metric and variant."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Numbers of an experiment at one moment."""

    experiment: str
    baseline: str
    as_of: datetime
    """End of the data."""
    users: dict[str, int]
    """Users by variant whose window is complete."""
    waiting: int
    """Users whose window is not complete."""
    sample_ratio: SampleRatio
    levels: list[Level]
    effects: list[Effect]
    preference: Preference | None
    """Of an interleaved experiment with enough clicks."""
    shadows: list[ShadowValue]
    notes: list[str]
    """What is left out, and why."""


def report_of(
    experiment: Experiment, exposures: pl.DataFrame, outcomes: pl.DataFrame, as_of: datetime | None
) -> Report:
    """Compute the report on an experiment.

    Args:
        experiment: its definition.
        exposures: exposures of any experiments, see `tables.EXPOSURES`.
        outcomes: clicks and purchases, see `tables.OUTCOMES`.
        as_of: end of the data; None for the newest row.

    Raises:
        InputError: exposures that the definition does not explain, or none.
    """
    if exposures.is_empty():
        raise InputError(
            f"there are no exposures of {experiment.name} yet; wanted one row for each answer. `gatehouse serve` logs "
            "them while the experiment runs"
        )
    end = as_of or _newest(exposures, outcomes)
    users = users_of(experiment, exposures, outcomes.filter(pl.col("timestamp") < end), end)
    ratio = sample_ratio(users.assigned, experiment.propensities)
    notes = _notes(experiment, users, ratio)
    split = experiment.design is Design.SPLIT
    values = _values(experiment, users, notes) if split and not _few(users) else {}
    preferred = None if split else preference_of(experiment, users, outcomes)
    if not split and preferred is None:
        kinds = ", ".join(experiment.clicks)
        notes.append(f"no preference: fewer than {MIN_CLICKERS} users have clicked; clicks are events of kind {kinds}")
    return Report(
        experiment=experiment.name,
        baseline=experiment.baseline,
        as_of=end,
        users=users.complete,
        waiting=sum(users.assigned.values()) - users.counted.height,
        sample_ratio=ratio,
        levels=[level for metric, each in values.items() for level in levels(each, metric.name)],
        effects=[] if ratio.mismatch else _effects(values, users, experiment.users),
        preference=preferred,
        shadows=shadow_values(experiment, users) if split else [],
        notes=notes,
    )


def _values(experiment: Experiment, users: Users, notes: list[str]) -> Values:
    """Values of the users by metric and variant; a metric without any is noted."""
    found = {}
    for metric in METRICS:
        if users.counted[metric.numerator].sum() == 0:
            key, kinds = metric.kinds, ", ".join(getattr(experiment, metric.kinds))
            notes.append(f"no {metric.name}: {metric.numerator} is 0 for every user; {key} are events of kind {kinds}")
        else:
            found[metric] = by_variant(users.counted, metric, list(users.assigned))
    return found


def _effects(values: Values, users: Users, tightest_at: int) -> list[Effect]:
    """Effects on all metrics, plain and adjusted for the time before."""
    found = []
    for metric, plain in values.items():
        found += effects(plain, metric.name, cuped=False, tightest_at=tightest_at)
        adjusted = with_cuped(users.counted, metric, plain)
        if adjusted is not None:
            found += effects(adjusted, metric.name, cuped=True, tightest_at=tightest_at)
    return found


def _few(users: Users) -> list[str]:
    """Variants with too few users for an interval."""
    return [name for name, count in users.complete.items() if count < MIN_USERS]


def _notes(experiment: Experiment, users: Users, ratio: SampleRatio) -> list[str]:
    notes = []
    if ratio.mismatch:
        notes.append(
            f"SAMPLE-RATIO MISMATCH, p = {ratio.p:.2g} < {LIMIT}: users are missing or counted twice in a variant, so "
            "no effect is shown. Look for a variant whose answers fail or are not logged"
        )
    if experiment.design is Design.SPLIT and (few := _few(users)):
        notes.append(
            f"no metrics: fewer than {MIN_USERS} users of {', '.join(few)} have a complete window of "
            f"{experiment.window}"
        )
    if users.crossed:
        notes.append(f"{users.crossed:,} users saw a second variant; they count for their first")
    return notes


def _newest(exposures: pl.DataFrame, outcomes: pl.DataFrame) -> datetime:
    newest = pl.concat([exposures["timestamp"], outcomes["timestamp"]]).max()
    assert isinstance(newest, datetime)
    return newest
