"""Rules of the gate: pure functions from measured quality to a verdict.

Every rule reports its numbers, met or not. A rule whose number is missing or NaN is undecided. One failed rule fails
the challenger. Without a failure, one undecided rule leaves it undecided. Neither is a pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from serving.gate.policy import Margin, Policy, Regression
from serving.gate.verdict import Outcome, Verdict

Metrics = Mapping[str, float]
"""Flat: `{view}/{metric}@{k}` or `{view}/{slice}/{metric}@{k}` -> value."""
Leads = Mapping[str, tuple[float, float]]
"""Paired 95 % intervals of challenger minus another system, by metric."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Circumstances of a comparison that the gate needs beside metrics."""

    holdout_users: int
    cut: datetime
    """Start of the challenger's hold-out."""
    champion_cut: datetime | None = None
    """End of the champion's training data; None without a champion, or if it cannot be loaded."""


def decide(
    challenger: Metrics,
    champion: Metrics | None,
    baselines: Mapping[str, Metrics],
    index_recall: float,
    policy: Policy,
    *,
    facts: Facts,
    leads: Mapping[str, Leads],
) -> Verdict:
    """Judge a challenger by every rule of the policy.

    Args:
        challenger: its metrics by exact search on the hold-out.
        champion: metrics of the champion on the same hold-out; None if there is no champion yet.
        baselines: metrics by system name.
        index_recall: share of the exact top items that the built index returns.
        policy: the requirements.
        facts: circumstances of the comparison.
        leads: leads of the challenger over each baseline, by its name.
    """
    rules = [
        _enough_users(facts, policy),
        *(_floor(challenger, metric, floor) for metric, floor in policy.floors.items()),
        *(rule for margin in policy.margins for rule in _margin(challenger, baselines, margin)),
        *(_not_beaten(leads, metric) for metric in policy.not_beaten),
        *_regression(challenger, champion, policy.regression, facts),
        _compare("index recall", index_recall, policy.index_recall, f"floor {policy.index_recall:.4f}"),
    ]
    outcomes = {outcome for outcome, _ in rules}
    # Failed before undecided: a missing number must not hide a rule that was broken.
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
    """Compare strictly.

    A challenger that retrieves nothing must not pass beside a baseline that does neither.
    """
    for metric in rule.metrics:
        value = baselines.get(rule.baseline, {}).get(metric)
        wanted = None if value is None else value * (1 + rule.margin)
        against = f"{rule.baseline} {_shown(value)}, margin {rule.margin:+.1%}"
        yield _compare(metric, challenger.get(metric), wanted, against, strict=True)


def _not_beaten(leads: Mapping[str, Leads], metric: str) -> Rule:
    """Compare with every baseline of the table, whether the policy names it or not."""
    measured = {name: lead[metric] for name, lead in leads.items() if metric in lead}
    if not measured or not all(map(math.isfinite, chain(*measured.values()))):
        return Outcome.UNDECIDED, f"{metric}: no interval beside {', '.join(measured) or 'any baseline'}"
    better = [f"{name}, by {-high:.4f} to {-low:.4f}" for name, (low, high) in measured.items() if high < 0]
    if better:
        return Outcome.FAILED, f"{metric} is beaten by {'; '.join(better)} (paired 95 % interval)"
    return Outcome.PASSED, f"{metric} is beaten by none of {', '.join(measured)} (paired 95 % intervals)"


def _regression(challenger: Metrics, champion: Metrics | None, rule: Regression, facts: Facts) -> Iterator[Rule]:
    if champion is None:
        yield Outcome.PASSED, "no champion to compare with"
    elif facts.champion_cut is None:
        yield Outcome.UNDECIDED, "the champion could not be measured"
    # A champion that learned from the hold-out would win on it: undecided, not
    # compared.
    elif facts.champion_cut > facts.cut:
        until = facts.champion_cut
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
    # NaN compares false with everything, so a rule that only asked "worse?" would pass
    # it.
    if value is None or wanted is None or not (math.isfinite(value) and math.isfinite(wanted)):
        return Outcome.UNDECIDED, text
    met = value > wanted if strict else value >= wanted
    return Outcome.PASSED if met else Outcome.FAILED, text


def _shown(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"
