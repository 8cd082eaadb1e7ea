"""The gate: measured quality in, a verdict with reasons out. Pure.

Every rule reports its numbers, met or not. A number that is missing or NaN was not measured, so its rule is undecided.
One failed rule fails the challenger; without a failure, one undecided rule leaves it undecided; neither is a pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from serving.gate.policy import Margin, Policy, Regression
from serving.gate.verdict import Outcome, Verdict

Metrics = Mapping[str, float]
"""Flat: `{view}/{metric}@{k}` or `{view}/{slice}/{metric}@{k}` -> value."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the gate must know beside metrics. cut: when the challenger's hold-out begins. champion_cut: until when the
    champion was trained; None without a champion."""

    holdout_users: int
    cut: datetime
    champion_cut: datetime | None = None


def decide(
    challenger: Metrics,
    champion: Metrics | None,
    baselines: Mapping[str, Metrics],
    index_recall: float,
    policy: Policy,
    *,
    facts: Facts,
) -> Verdict:
    """Judge a challenger.

    challenger, champion: exact-search metrics of the two on the same hold-out; champion None if there is none yet.
    baselines: metrics by system name. index_recall: share of the exact top items that the built index returns.
    """
    rules = [
        _enough_users(facts, policy),
        *(_floor(challenger, metric, floor) for metric, floor in policy.floors.items()),
        *(rule for margin in policy.margins for rule in _margin(challenger, baselines, margin)),
        *_regression(challenger, champion, policy.regression, facts),
        _compare("index recall", index_recall, policy.index_recall, f"floor {policy.index_recall:.4f}"),
    ]
    outcomes = {outcome for outcome, _ in rules}
    worst = next((o for o in (Outcome.FAILED, Outcome.UNDECIDED) if o in outcomes), Outcome.PASSED)
    return Verdict(worst, tuple(f"{outcome}: {reason}" for outcome, reason in rules))


Rule = tuple[Outcome, str]


def _enough_users(facts: Facts, policy: Policy) -> Rule:
    enough = facts.holdout_users >= policy.min_holdout_users
    text = f"{facts.holdout_users:,} users in the hold-out, at least {policy.min_holdout_users:,} wanted"
    return Outcome.PASSED if enough else Outcome.UNDECIDED, text


def _floor(challenger: Metrics, metric: str, floor: float) -> Rule:
    return _compare(metric, challenger.get(metric), floor, f"floor {floor:.4f}")


def _margin(challenger: Metrics, baselines: Mapping[str, Metrics], rule: Margin) -> Iterator[Rule]:
    """Strictly above: a challenger that retrieves nothing does not pass beside a baseline that retrieves nothing."""
    for metric in rule.metrics:
        value = baselines.get(rule.baseline, {}).get(metric)
        wanted = None if value is None else value * (1 + rule.margin)
        against = f"{rule.baseline} {_shown(value)}, margin {rule.margin:+.1%}"
        yield _compare(metric, challenger.get(metric), wanted, against, strict=True)


def _regression(challenger: Metrics, champion: Metrics | None, rule: Regression, facts: Facts) -> Iterator[Rule]:
    if champion is None:
        yield Outcome.PASSED, "no champion to compare with"
    elif facts.champion_cut is None or facts.champion_cut > facts.cut:
        until = facts.champion_cut or "an unknown time"
        yield (
            Outcome.UNDECIDED,
            f"the champion was trained until {until}, past the hold-out's start {facts.cut}",
        )
    else:
        for metric in rule.metrics:
            value = champion.get(metric)
            wanted = None if value is None else value * (1 - rule.max_drop)
            against = f"champion {_shown(value)}, drop of at most {rule.max_drop:.1%}"
            yield _compare(metric, challenger.get(metric), wanted, against)


def _compare(name: str, value: float | None, wanted: float | None, against: str, *, strict: bool = False) -> Rule:
    text = f"{name} {_shown(value)} against {against}"
    if value is None or wanted is None or not (math.isfinite(value) and math.isfinite(wanted)):
        return Outcome.UNDECIDED, text
    met = value > wanted if strict else value >= wanted
    return Outcome.PASSED if met else Outcome.FAILED, text


def _shown(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"
