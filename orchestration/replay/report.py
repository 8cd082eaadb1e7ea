"""The report of a replay: quality and cost of each strategy, and how often to retrain.

Legend: S strategies, T nights, R resamples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestration.replay.measure import BASELINES, SECONDS
from orchestration.replay.record import Night
from orchestration.replay.strategies import NEVER, strategies_of

METRIC, SECOND_METRIC, DISCOVERY = "all/recall@20", "all/ndcg@20", "discovery/recall@20"
RESAMPLES = 1_000
WEEK = 7


@dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """One system over the nights that count."""

    name: str
    values: Mapping[str, np.ndarray]
    """[T] by metric; NaN where a view has no user."""
    seconds: np.ndarray
    """[T], the seconds that it takes each night."""

    @property
    def quality(self) -> np.ndarray:
        """Main metric of each night."""
        return self.values[METRIC]

    def mean(self, metric: str) -> float:
        """Mean of a metric over the nights that have it; NaN without one."""
        values = self.values[metric]
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """Result of a replay."""

    nights: Sequence[Night]
    """Nights that count: with active users and a version to serve them, by every strategy."""
    left_out: int
    """Nights that do not."""
    strategies: Sequence[Series]
    baseline: Series | None
    """Best of the baselines, by the mean over the nights."""
    outcomes: Mapping[str, int]
    """Number of all nights by outcome; `none` for those without a version."""


def find(nights: Sequence[Night]) -> Found:
    """Put the strategies' versions, measurements and costs together."""
    strategies, everybody = strategies_of(nights), range(len(nights))
    served = {each.name: [each.serves(nights[: t + 1]) for t in everybody] for each in strategies}
    counts = [t for t in everybody if all(nights[t].measured(served[name][t]) for name in served)]
    series = [
        Series(
            name=each.name,
            values=_values([nights[t].measured(served[each.name][t]) for t in counts]),
            # A night that does not count is paid for all the same, with the next one that does.
            seconds=_paid([each.pays(t, night) for t, night in enumerate(nights)], counts),
        )
        for each in strategies
    ]
    baselines = []
    for name in BASELINES:
        measured = [nights[t].metrics.get(name, {}) for t in counts]
        seconds = np.array([each.get(SECONDS, 0.0) for each in measured])
        baselines.append(Series(name=name, values=_values(measured), seconds=seconds))
    best = max(baselines, key=lambda each: each.mean(METRIC)) if counts else None
    left_out = len(nights) - len(counts)
    outcomes = Counter(night.outcome for night in nights)
    return Found(
        nights=[nights[t] for t in counts], left_out=left_out, strategies=series, baseline=best, outcomes=outcomes
    )


def _values(measured: Sequence[Mapping[str, float]]) -> dict[str, np.ndarray]:
    names = (METRIC, SECOND_METRIC, DISCOVERY)
    return {name: np.array([each.get(name, np.nan) for each in measured]) for name in names}


def _paid(seconds: Sequence[float], counts: Sequence[int]) -> np.ndarray:
    """Seconds of the nights that count, each with those of the nights before it that do not."""
    if not counts:
        return np.zeros(0)
    total = np.cumsum(seconds)
    ends = total[list(counts)]
    ends[-1] = total[-1]
    return np.diff(ends, prepend=0.0)


def lead(one: Series, other: Series, *, seed: int) -> tuple[float, float, float]:
    """Relative difference of two systems in the main metric, with its 95 % interval over nights.

    Args:
        one: the system.
        other: the one that it is compared with.
        seed: random seed of the bootstrap.

    Returns:
        Difference as a share of the other's value, and both ends of the interval.
    """
    a_T, b_T = one.quality, other.quality
    rows_RT = np.random.default_rng(seed).integers(0, len(a_T), (RESAMPLES, len(a_T)))
    ratios_R = a_T[rows_RT].mean(axis=1) / b_T[rows_RT].mean(axis=1) - 1
    low, high = np.percentile(ratios_R, [2.5, 97.5])
    return float(a_T.mean() / b_T.mean() - 1), float(low), float(high)


def choice(found: Found, *, seed: int) -> Series:
    """Cheapest strategy that none is better than by more than chance, from the cheapest on."""
    # Of equal cost, which the first full night alone gives, the one first that retrains least.
    order = list(found.strategies[::-1])
    order.sort(key=lambda each: float(each.seconds.sum()))
    chosen = order[0]
    for each in order[1:]:
        if lead(each, chosen, seed=seed)[1] > 0:
            chosen = each
    return chosen


def ages(found: Found) -> list[tuple[int, int, float]]:
    """Week since the first night, nights, and quality of the never retrained version as a share of the best there."""
    never = next(each for each in found.strategies if each.name == NEVER)
    others = [each.quality for each in found.strategies if each.name != NEVER]
    best_T = np.max(others, axis=0) if others else never.quality
    weeks_T = np.array([(night.moment - found.nights[0].moment).days // WEEK for night in found.nights], dtype=int)
    rows = []
    for week in np.unique(weeks_T):
        inside = weeks_T == week
        rows.append((int(week) + 1, int(inside.sum()), float(never.quality[inside].mean() / best_T[inside].mean())))
    return rows


def report_data(found: Found, *, seed: int) -> dict[str, Any]:
    """The result as plain data, for `--json`."""
    never = next(each for each in found.strategies if each.name == NEVER)
    systems = [*found.strategies, *([found.baseline] if found.baseline else [])]
    rows = {}
    for each in systems if found.nights else []:
        difference, low, high = lead(each, never, seed=seed)
        rows[each.name] = {
            **{metric: each.mean(metric) for metric in each.values},
            "beside never retrained": [difference, low, high],
            "nights better": int((each.quality > never.quality).sum()),
            "seconds": float(each.seconds.sum()),
        }
    return {
        "nights": len(found.nights),
        "left out": found.left_out,
        "systems": rows,
        "by week": [{"week": week, "nights": nights, "share": share} for week, nights, share in ages(found)]
        if found.nights
        else [],
        "choice": choice(found, seed=seed).name if found.nights else None,
        "runs": dict(found.outcomes),
    }
