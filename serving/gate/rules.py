"""The gate's decision: a pure function from what was measured to a verdict.

Every rule reports its numbers, met or not. A rule whose number is missing or NaN is undecided. One failed rule fails
the challenger. Without a failure, one undecided rule leaves it undecided. Neither is a pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from serving.gate.measured import Measured
from serving.gate.paired import judge_rule
from serving.gate.policy import CHAMPION, Policy
from serving.gate.verdict import Judged, Outcome, PolicyText, Verdict, worst


def decide(measured: Measured, policy: Policy) -> Verdict:
    """Judge a challenger by every rule of the policy.

    Args:
        measured: the challenger on its hold-out, beside the champion and the baselines.
        policy: the requirements.
    """
    index = f"floor {policy.index_recall:.4f}"
    judged = [
        _enough_users(measured, policy),
        *(
            _floor(name, measured.metrics.get(name), floor, f"floor {floor:.4f}")
            for name, floor in policy.floors.items()
        ),
        *_beside_baselines(measured, policy),
        *(_not_beaten(measured, metric, policy.level) for metric in policy.not_beaten),
        *_beside_champion(measured, policy),
        _floor("index recall", measured.index_recall, policy.index_recall, index),
    ]
    reasons = tuple(f"{outcome}: {reason}" for outcome, reason in judged)
    policy_text = PolicyText(text=policy.text, sha256=policy.sha256) if policy.text else None
    return Verdict(worst(outcome for outcome, _ in judged), reasons, policy_text)


def _enough_users(measured: Measured, policy: Policy) -> Judged:
    users = measured.users.get("all", 0)
    text = f"{users:,} users in the hold-out, at least {policy.min_holdout_users:,} wanted"
    return Outcome.PASSED if users >= policy.min_holdout_users else Outcome.UNDECIDED, text


def _floor(name: str, value: float | None, floor: float, against: str) -> Judged:
    """Compare a number with its least value.

    Args:
        name: name of the number.
        value: the number; None if it was not measured.
        floor: least value.
        against: words for the least value.
    """
    if value is None:
        return Outcome.UNDECIDED, f"{name} not measured against {against}"
    # NaN compares false with everything, so a rule that only asked "worse?" would pass
    # it.
    if not math.isfinite(value):
        return Outcome.UNDECIDED, f"{name} {value:.4f} against {against}"
    return Outcome.PASSED if value >= floor else Outcome.FAILED, f"{name} {value:.4f} against {against}"


def _beside_baselines(measured: Measured, policy: Policy) -> Iterator[Judged]:
    for rule in policy.rules:
        if rule.against != CHAMPION:
            yield from judge_rule(rule, measured.beside(rule.against), measured.users, policy)


def _not_beaten(measured: Measured, metric: str, level: float) -> Judged:
    """Compare with every baseline of the table, whether the policy names it or not.

    Args:
        measured: the challenger beside the baselines.
        metric: the metric.
        level: level of the intervals.
    """
    found = {name: each[metric] for name, each in measured.baselines.items() if metric in each}
    if not found or not all(each.is_measured for each in found.values()):
        return Outcome.UNDECIDED, f"{metric}: no interval beside {', '.join(found) or 'any baseline'}"
    bounds = {name: each.interval(level) for name, each in found.items()}
    better = [f"{name}, at {low:+.1%} to {high:+.1%}" for name, (low, high) in bounds.items() if high < 0]
    shown = f"(paired {100 * level:.3g} % interval"
    if better:
        return Outcome.FAILED, f"{metric} is beaten by {'; '.join(better)} {shown})"
    return Outcome.PASSED, f"{metric} is beaten by none of {', '.join(found)} {shown}s)"


def _beside_champion(measured: Measured, policy: Policy) -> Iterator[Judged]:
    rules = [rule for rule in policy.rules if rule.against == CHAMPION]
    if measured.champion is None:
        yield Outcome.PASSED, "no champion to compare with"
    elif measured.champion_cut is None:
        yield Outcome.UNDECIDED, "the champion could not be measured"
    # A champion that learned from the hold-out would win on it: undecided, not
    # compared.
    elif measured.champion_cut > measured.cut:
        until, cut = measured.champion_cut, measured.cut
        yield Outcome.UNDECIDED, f"the champion was trained until {until}, past the hold-out's start {cut}"
    else:
        for rule in rules:
            yield from judge_rule(rule, measured.champion, measured.users, policy)
