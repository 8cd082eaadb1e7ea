"""Metrics of each variant, and their difference from the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from serving.experiments.statistics.anytime import anytime_interval
from serving.experiments.statistics.cuped import adjusted
from serving.experiments.statistics.estimate import Estimate, detectable, difference, relative_difference
from serving.experiments.statistics.means import linearised, mean

MIN_USERS = 100
"""Users of each variant below which there is no interval: they are asymptotic."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """Ratio of two sums of each user."""

    name: str
    numerator: str
    denominator: str | None
    """None: the users themselves."""
    before: str
    """Covariate of CUPED."""
    kinds: str
    """Field of the experiment with the kinds of events that it counts."""


METRICS = (
    Metric(name="ctr", numerator="clicked", denominator="answers", before="clicked_before", kinds="clicks"),
    Metric(name="conversion", numerator="converted", denominator=None, before="converted_before", kinds="purchases"),
    Metric(name="value", numerator="value", denominator=None, before="value_before", kinds="purchases"),
)
"""Answers with a click, users with a purchase, value of the purchases of a user."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """Metric of one variant."""

    metric: str
    variant: str
    users: int
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Estimate of an effect with both intervals."""

    value: float
    low: float
    """Lower bound for one look at a number of users that was fixed in advance."""
    high: float
    anytime_low: float
    """Lower bound that holds at all looks together."""
    anytime_high: float
    detectable: float
    """Smallest true effect that one look at as many users finds with probability 0.8."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Difference of a variant from the baseline."""

    metric: str
    variant: str
    cuped: bool
    """Whether outcomes are adjusted for the time before."""
    difference: Bounds
    relative: Bounds | None
    """In shares of the baseline; None where the baseline is not clearly above 0."""


def levels(values: Mapping[str, np.ndarray], metric: str) -> list[Level]:
    """Metric of each variant.

    Args:
        values: one value for each user, by variant.
        metric: its name.
    """
    found = {variant: mean(values_Q) for variant, values_Q in values.items()}
    return [
        Level(
            metric=metric,
            variant=variant,
            users=each.users,
            value=each.value,
            low=each.interval()[0],
            high=each.interval()[1],
        )
        for variant, each in found.items()
    ]


def effects(values: Mapping[str, np.ndarray], metric: str, *, cuped: bool, tightest_at: int) -> list[Effect]:
    """Differences of all variants from the first.

    Args:
        values: one value for each user, by variant, the baseline first.
        metric: its name.
        cuped: whether the values are adjusted.
        tightest_at: number of users at which the anytime-valid interval is tightest.
    """
    baseline, *treated = [(variant, mean(values_Q)) for variant, values_Q in values.items()]
    return [
        Effect(
            metric=metric,
            variant=variant,
            cuped=cuped,
            difference=_bounds(difference(each, baseline[1]), tightest_at),
            relative=_relative(each, baseline[1], tightest_at),
        )
        for variant, each in treated
    ]


def by_variant(users: pl.DataFrame, metric: Metric, variants: list[str]) -> dict[str, np.ndarray]:
    """One value for each user whose mean is the metric, by variant."""
    found = {}
    for variant in variants:
        own = users.filter(pl.col("variant") == variant)
        found[variant] = own[metric.numerator].to_numpy()
        if metric.denominator:
            found[variant] = linearised(found[variant], own[metric.denominator].to_numpy())
    return found


def with_cuped(users: pl.DataFrame, metric: Metric, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """Values adjusted for the time before; None if it tells nothing."""
    before = [users.filter(pl.col("variant") == variant)[metric.before].to_numpy() for variant in values]
    found = adjusted(list(values.values()), before)
    return None if found is None else dict(zip(values, found, strict=True))


def _relative(treated: Estimate, baseline: Estimate, tightest_at: int) -> Bounds | None:
    if not baseline.interval()[0] > 0:
        return None
    return _bounds(relative_difference(treated, baseline), tightest_at)


def _bounds(estimate: Estimate, tightest_at: int) -> Bounds:
    low, high = estimate.interval()
    anytime_low, anytime_high = anytime_interval(estimate, tightest_at=tightest_at)
    return Bounds(
        value=estimate.value,
        low=low,
        high=high,
        anytime_low=anytime_low,
        anytime_high=anytime_high,
        detectable=detectable(estimate.error),
    )
