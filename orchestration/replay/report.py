"""The report of a replay: quality and cost of each strategy, and how often to retrain.

Legend: S strategies, T nights, R resamples.
"""

from __future__ import annotations

import math
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


Interval = tuple[float, float, float]
"""A value with both ends of its 95 % interval over nights."""


def lead(one: Series, other: Series, *, seed: int) -> tuple[Interval, Interval | None]:
    """Difference of two systems in the main metric, absolute and relative.

    Args:
        one: the system.
        other: the one that it is compared with.
        seed: random seed of the bootstrap.

    Returns:
        Difference, and the difference as a share of the other's value; None where that may be 0 by chance.
    """
    a_T, b_T = one.quality, other.quality
    rows_RT = np.random.default_rng(seed).integers(0, len(a_T), (RESAMPLES, len(a_T)))
    a_R, b_R = a_T[rows_RT].mean(axis=1), b_T[rows_RT].mean(axis=1)
    difference = _interval(a_T.mean() - b_T.mean(), a_R - b_R)
    return difference, _interval(a_T.mean() / b_T.mean() - 1, a_R / b_R - 1) if (b_R > 0).all() else None


def _interval(value: float, resampled_R: np.ndarray) -> Interval:
    low, high = np.percentile(resampled_R, [2.5, 97.5])
    return float(value), float(low), float(high)


def choice(found: Found, *, seed: int) -> Series:
    """Cheapest strategy that none is better than by more than chance, from the cheapest on."""
    # Of equal cost, which the first full night alone gives, the one first that retrains least.
    order = list(found.strategies[::-1])
    order.sort(key=lambda each: float(each.seconds.sum()))
    chosen = order[0]
    for each in order[1:]:
        # Of the difference itself: beside a version that finds nothing there is no share.
        (_, low, _), _ = lead(each, chosen, seed=seed)
        if low > 0:
            chosen = each
    return chosen


def ages(found: Found) -> list[tuple[int, int, float | None]]:
    """Week since the first night, nights, and quality of the never retrained version as a share of the best there.

    None where none finds anything.
    """
    never = next(each for each in found.strategies if each.name == NEVER)
    others = [each.quality for each in found.strategies if each.name != NEVER]
    best_T = np.max(others, axis=0) if others else never.quality
    weeks_T = np.array([(night.moment - found.nights[0].moment).days // WEEK for night in found.nights], dtype=int)
    rows: list[tuple[int, int, float | None]] = []
    for week in np.unique(weeks_T):
        inside = weeks_T == week
        best = best_T[inside].mean()
        share = float(never.quality[inside].mean() / best) if best > 0 else None
        rows.append((int(week) + 1, int(inside.sum()), share))
    return rows


def report_data(found: Found, *, seed: int) -> dict[str, Any]:
    """The result as plain data, for `--json`."""
    never = next(each for each in found.strategies if each.name == NEVER)
    systems = [*found.strategies, *([found.baseline] if found.baseline else [])]
    rows = {}
    for each in systems if found.nights else []:
        difference, share = lead(each, never, seed=seed)
        rows[each.name] = {
            **{metric: value if math.isfinite(value := each.mean(metric)) else None for metric in each.values},
            "beside never retrained": share,
            "difference": difference,
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
