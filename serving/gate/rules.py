"""The gate's decision: a pure function from what was measured to a verdict.

Every rule reports its numbers, met or not. A rule whose number is missing or NaN is undecided. One failed rule fails
the challenger. Without a failure, one undecided rule leaves it undecided. Neither is a pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime

from serving.gate.bias import judge_bias
from serving.gate.drift import judge_drift
from serving.gate.latency import judge_latency
from serving.gate.measured import Measured
from serving.gate.paired import judge_whole
from serving.gate.parity import judge_parity
from serving.gate.policy import CHAMPION, Policy, Rule
from serving.gate.sanity import judge_sanity
from serving.gate.sliced import judge_slices
from serving.gate.verdict import Judged, Outcome, PolicyText, RuleKind, Verdict
from serving.gate.windowed import judge_windows


def decide(measured: Measured, policy: Policy) -> Verdict:
    """Judge a challenger by every rule of the policy.

    Args:
        measured: the challenger on its hold-out, beside the champion and the baselines.
        policy: the requirements.
    """
    judged = [
        _enough_users(measured, policy),
        *(_floor(RuleKind.FLOORS, name, measured.metrics.get(name), floor) for name, floor in policy.floors.items()),
        *_beside_baselines(measured, policy),
        *(_not_beaten(measured, metric, policy.level) for metric in policy.not_beaten),
        *_beside_champion(measured, policy),
        _floor(RuleKind.INDEX_RECALL, "index recall", measured.index_recall, policy.index_recall),
        *([judge_latency(measured.latency, policy.latency)] if policy.latency else []),
        *([judge_parity(measured.parity)] if policy.parity else []),
        *([judge_sanity(measured.sanity, policy.sanity)] if policy.sanity else []),
        *([judge_drift(measured.drift, measured.drift_against, policy.drift)] if policy.drift else []),
        *([judge_bias(measured.bias)] if measured.bias else []),
    ]
    return Verdict.of(judged, PolicyText(text=policy.text, sha256=policy.sha256) if policy.text else None)


def _enough_users(measured: Measured, policy: Policy) -> Judged:
    users = measured.users.get("all", 0)
    text = f"{users:,} users in the hold-out, at least {policy.min_holdout_users:,} wanted"
    outcome = Outcome.PASSED if users >= policy.min_holdout_users else Outcome.UNDECIDED
    return Judged(RuleKind.USERS, outcome, text, {"users": users, "users wanted": policy.min_holdout_users})


def _floor(kind: RuleKind, name: str, value: float | None, floor: float) -> Judged:
    """Compare a number with its least value.

    Args:
        kind: kind of the rule.
        name: name of the number.
        value: the number; None if it was not measured.
        floor: least value.
    """
    numbers = {f"floor of {name}": floor}
    if value is None:
        return Judged(kind, Outcome.UNDECIDED, f"{name} not measured against floor {floor:.4f}", numbers)
    # NaN compares false with everything, so a rule that only asked "worse?" would pass
    # it.
    met = Outcome.PASSED if value >= floor else Outcome.FAILED
    outcome = met if math.isfinite(value) else Outcome.UNDECIDED
    return Judged(kind, outcome, f"{name} {value:.4f} against floor {floor:.4f}", {name: value, **numbers})


def _beside_baselines(measured: Measured, policy: Policy) -> Iterator[Judged]:
    for rule in policy.rules:
        if rule.against != CHAMPION:
            yield from _judged(rule, measured, policy)


def _not_beaten(measured: Measured, metric: str, level: float) -> Judged:
    """Compare with every baseline of the table, whether the policy names it or not.

    Args:
        measured: the challenger beside the baselines.
        metric: the metric.
        level: level of the intervals.
    """
    kind, found = RuleKind.NOT_BEATEN, {n: each[metric] for n, each in measured.baselines.items() if metric in each}
    if not found or not all(each.is_measured for each in found.values()):
        text = f"{metric}: no interval beside {', '.join(found) or 'any baseline'}"
        return Judged(kind, Outcome.UNDECIDED, text)
    bounds = {name: each.interval(level) for name, each in found.items()}
    better = [f"{name}, at {low:+.1%} to {high:+.1%}" for name, (low, high) in bounds.items() if high < 0]
    shown, rest = f"(paired {100 * level:.3g} % interval", "".join(f"; left out: {each}" for each in measured.left_out)
    numbers = {f"{metric} high against {name}": high for name, (_, high) in bounds.items()}
    if better:
        return Judged(kind, Outcome.FAILED, f"{metric} is beaten by {'; '.join(better)} {shown}){rest}", numbers)
    return Judged(kind, Outcome.PASSED, f"{metric} is beaten by none of {', '.join(found)} {shown}s){rest}", numbers)


def _beside_champion(measured: Measured, policy: Policy) -> Iterator[Judged]:
    kind, rules = RuleKind.NON_INFERIORITY, [rule for rule in policy.rules if rule.against == CHAMPION]
    if measured.champion is None:
        yield Judged(kind, Outcome.PASSED, "no champion to compare with")
    elif measured.champion_note or measured.champion_cut is None:
        yield Judged(kind, Outcome.UNDECIDED, measured.champion_note or "the champion could not be measured")
    # A champion that learned from the hold-out would win on it: undecided, not
    # compared.
    elif measured.champion_cut > measured.cut:
        yield Judged(kind, Outcome.UNDECIDED, _seen_holdout(measured.champion_cut, measured.cut))
    else:
        for rule in rules:
            yield from _judged(rule, measured, policy)


def _seen_holdout(trained_until: datetime, start: datetime) -> str:
    return (
        f"the champion was trained until {trained_until}, past the hold-out's start {start}: wait until new data moves"
        " that start to this time, or restore the former, shorter `holdout` in gatehouse.yaml"
    )


def _judged(rule: Rule, measured: Measured, policy: Policy) -> Iterator[Judged]:
    """Judge one rule, with one sentence for each of its metrics."""
    compared = measured.beside(rule.against)
    for metric in rule.metrics:
        if rule.slices:
            yield judge_slices(rule, metric, compared, measured, policy)
        elif rule.windows:
            yield judge_windows(rule, metric, compared, measured, policy)
        else:
            yield judge_whole(rule, metric, compared.get(metric), policy.level)
