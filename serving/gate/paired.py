"""Rules on paired comparisons, decided by the interval: above the bound, below it, or neither."""

from __future__ import annotations

from serving.gate.comparison import Comparison
from serving.gate.policy import Kind, Rule, Undecided
from serving.gate.power import is_thin, odds, sight
from serving.gate.verdict import Judged, Outcome, RuleKind

_COUNTS_AS = {
    Undecided.PASSED: (Outcome.PASSED, "nothing is proven, which this rule lets pass"),
    Undecided.FAILED: (Outcome.FAILED, "undecided, which this rule counts as failed"),
    Undecided.UNDECIDED: (Outcome.UNDECIDED, "undecided"),
}
UNJUDGED = {each: outcome for each, (outcome, _) in _COUNTS_AS.items()} | {Undecided.ESTIMATE: Outcome.UNDECIDED}
"""Outcome of a slice with too few users."""


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


def judge_whole(rule: Rule, metric: str, compared: Comparison | None, level: float) -> Judged:
    """Judge a metric of a whole view, in one sentence.

    Args:
        rule: the rule.
        metric: the metric.
        compared: its comparison; None if it was not measured.
        level: level of the interval.
    """
    kind = RuleKind(rule.kind)
    if compared is None or not compared.is_measured:
        return Judged(kind, Outcome.UNDECIDED, f"{metric} against {rule.against}: not measured, {claim(rule)}")
    outcome, why = decide_interval(rule, compared, level)
    shown = (
        f"{metric} {compared.value:.4f} against {rule.against} {compared.other:.4f}: {shown_effect(compared, level)}"
    )
    parts = [f"{shown}, {claim(rule)}", why, sight(rule, compared, level, outcome), odds(rule, compared, level)]
    name = f"{metric} against {rule.against}"
    numbers = {**numbers_of(name, compared, level), f"{name}: bound": rule.bound}
    return Judged(kind, outcome, "; ".join(part for part in parts if part), numbers)


def numbers_of(name: str, compared: Comparison, level: float) -> dict[str, float]:
    """Effect and interval by name."""
    low, high = compared.interval(level)
    return {f"{name}: effect": compared.effect, f"{name}: low": low, f"{name}: high": high}


def claim(rule: Rule) -> str:
    """Say what a rule asks for."""
    if rule.kind is Kind.SUPERIORITY:
        return f"lead of more than {rule.margin:.1%} wanted"
    return f"loss of at most {rule.margin:.1%} allowed"


def shown_effect(compared: Comparison, level: float) -> str:
    """Show an effect with its interval."""
    low, high = compared.interval(level)
    return f"{compared.effect:+.1%} ({100 * level:.3g} % interval {low:+.1%} to {high:+.1%})"
