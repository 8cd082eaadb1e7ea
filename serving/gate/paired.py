"""Rules on paired comparisons, decided by the interval: above the bound, below it, or neither."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from serving.gate.comparison import Comparison, corrected_level
from serving.gate.measured import Comparisons
from serving.gate.policy import Kind, Policy, Rule, Undecided
from serving.gate.power import is_thin, odds, sight
from serving.gate.verdict import Judged, Outcome, RuleKind, worst

_COUNTS_AS = {
    Undecided.PASSED: (Outcome.PASSED, "nothing is proven, which this rule lets pass"),
    Undecided.FAILED: (Outcome.FAILED, "undecided, which this rule counts as failed"),
    Undecided.UNDECIDED: (Outcome.UNDECIDED, "undecided"),
}
_UNJUDGED = {each: outcome for each, (outcome, _) in _COUNTS_AS.items()} | {Undecided.ESTIMATE: Outcome.UNDECIDED}


def judge_rule(rule: Rule, compared: Comparisons, users: Mapping[str, int], policy: Policy) -> Iterator[Judged]:
    """Judge one rule, with one sentence for each of its metrics.

    Args:
        rule: the rule.
        compared: the challenger beside the rule's other system.
        users: users of each view and slice.
        policy: level of the intervals and least users of a slice.
    """
    for metric in rule.metrics:
        if rule.slices:
            yield _by_slice(rule, metric, compared, users, policy)
        else:
            yield _whole(rule, metric, compared.get(metric), policy.level)


def decide_interval(rule: Rule, compared: Comparison, level: float) -> tuple[Outcome, str]:
    """Decide by the interval, and say why if it holds the bound.

    Args:
        rule: the rule, whose bound decides.
        compared: a comparison that is measured.
        level: level of the interval.
    """
    low, high = compared.interval(level)
    # Superiority is strict: a challenger that retrieves nothing must not pass beside a
    # baseline that does neither.
    strict = rule.kind is Kind.SUPERIORITY
    if low > rule.bound or (low == rule.bound and not strict):
        return Outcome.PASSED, ""
    if high < rule.bound or (high == rule.bound and strict):
        return Outcome.FAILED, ""
    if rule.undecided is not Undecided.ESTIMATE:
        return _COUNTS_AS[rule.undecided]
    if not is_thin(rule, compared, level):
        return Outcome.UNDECIDED, "undecided, with enough users to see a loss of the margin"
    met = compared.effect > rule.bound or (compared.effect == rule.bound and not strict)
    return Outcome.PASSED if met else Outcome.UNDECIDED, "too few users for the interval, judged by the estimate"


def _whole(rule: Rule, metric: str, compared: Comparison | None, level: float) -> Judged:
    """Sentence on a metric of a whole view."""
    kind = RuleKind(rule.kind)
    if compared is None or not compared.is_measured:
        return Judged(kind, Outcome.UNDECIDED, f"{metric} against {rule.against}: not measured, {_claim(rule)}")
    outcome, why = decide_interval(rule, compared, level)
    shown = f"{metric} {compared.value:.4f} against {rule.against} {compared.other:.4f}: {_effect(compared, level)}"
    parts = [f"{shown}, {_claim(rule)}", why, sight(rule, compared, level, outcome), odds(rule, compared, level)]
    name = f"{metric} against {rule.against}"
    numbers = {**_numbers(name, compared, level), f"{name}: bound": rule.bound}
    return Judged(kind, outcome, "; ".join(part for part in parts if part), numbers)


def _by_slice(rule: Rule, metric: str, compared: Comparisons, users: Mapping[str, int], policy: Policy) -> Judged:
    """Sentence on a metric in all slices of a rule.

    Args:
        rule: the rule.
        metric: the metric of a view.
        compared: the challenger beside the rule's other system.
        users: users of each view and slice.
        policy: level of the intervals and least users of a slice.
    """
    names = rule.names(metric)
    enough = [name for name in names.values() if _users(name, users) >= policy.min_slice_users]
    # The number of slices depends on users alone, so that the level is fixed before any
    # metric is looked at.
    level = corrected_level(policy.level, len(enough))
    judged = [
        _slice(rule, part, compared.get(name), level)
        if name in enough
        else (_UNJUDGED[rule.undecided], f"{part} not judged ({_users(name, users):,} users)")
        for part, name in names.items()
    ]
    head = f"{metric} by slice against {rule.against}, {_claim(rule)}, {len(enough)} slices with at least"
    text = f"{head} {policy.min_slice_users:,} users: {'; '.join(text for _, text in judged)}"
    numbers: dict[str, float] = {}
    for part, name in names.items():
        if name in enough and name in compared and compared[name].is_measured:
            numbers |= _numbers(f"{metric} in {part} against {rule.against}", compared[name], level)
    return Judged(RuleKind.SLICES, worst(outcome for outcome, _ in judged), text, numbers)


def _numbers(name: str, compared: Comparison, level: float) -> dict[str, float]:
    """Effect and interval by name."""
    low, high = compared.interval(level)
    return {f"{name}: effect": compared.effect, f"{name}: low": low, f"{name}: high": high}


def _slice(rule: Rule, name: str, compared: Comparison | None, level: float) -> tuple[Outcome, str]:
    """Part of a sentence on one slice."""
    if compared is None or not compared.is_measured:
        return Outcome.UNDECIDED, f"{name} not measured"
    outcome, why = decide_interval(rule, compared, level)
    text = f"{name} {outcome} at {_effect(compared, level)}"
    return outcome, f"{text}, {why}" if why else text


def _users(name: str, users: Mapping[str, int]) -> int:
    return users.get(name.rsplit("/", 1)[0], 0)


def _claim(rule: Rule) -> str:
    if rule.kind is Kind.SUPERIORITY:
        return f"lead of more than {rule.margin:.1%} wanted"
    return f"loss of at most {rule.margin:.1%} allowed"


def _effect(compared: Comparison, level: float) -> str:
    low, high = compared.interval(level)
    return f"{compared.effect:+.1%} ({100 * level:.3g} % interval {low:+.1%} to {high:+.1%})"
