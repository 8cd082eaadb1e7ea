"""Power of a rule: the losses that it can see, and the challengers that it lets pass.

From the standard error of the paired differences and the normal distribution, as in the
planning of non-inferiority trials [Julious, Statistics in Medicine, 2004].
"""

from __future__ import annotations

from serving.gate.comparison import Comparison, normal_bound
from serving.gate.policy import Kind, Rule, Undecided
from serving.gate.verdict import Outcome


def is_thin(rule: Rule, compared: Comparison, level: float) -> bool:
    """Whether the users are too few for an interval to decide a rule.

    For non-inferiority, they are if a loss of the margin cannot be seen. A lead has no
    size that could be asked for in advance, so for superiority they always are.

    Args:
        rule: the rule.
        compared: its comparison.
        level: level of the interval.
    """
    return rule.kind is Kind.SUPERIORITY or compared.visible_loss(level) > rule.margin


def sight(rule: Rule, compared: Comparison, level: float, outcome: Outcome) -> str:
    """Say which loss the users at hand can show, and how many would decide.

    Args:
        rule: the rule.
        compared: its comparison.
        level: level of the interval.
        outcome: outcome of the rule.
    """
    is_margin = rule.kind is Kind.NON_INFERIORITY
    effect = rule.margin if is_margin else abs(compared.effect - rule.bound)
    wanted = compared.users_to_see(effect, level) if outcome is Outcome.UNDECIDED else None
    parts = []
    if is_margin:
        loss = compared.visible_loss(level)
        parts.append(f"with {compared.users:,} users a loss below {loss:.1%} cannot be seen")
    if wanted is not None and wanted > compared.users:
        parts.append(f"about {wanted:,} users would decide")
    return ", ".join(parts)


def odds(rule: Rule, compared: Comparison, level: float) -> str:
    """Say how often the rule passes a challenger that is as good, and one that loses the margin.

    Args:
        rule: the rule.
        compared: its comparison.
        level: level of the interval.
    """
    if rule.kind is Kind.SUPERIORITY:
        return ""
    equal, worse = (pass_probability(rule, compared, level, effect) for effect in (0.0, rule.bound))
    return f"it passes {equal:.1%} of equally good challengers, {worse:.1%} of those that lose {rule.margin:.1%}"


def pass_probability(rule: Rule, compared: Comparison, level: float, effect: float) -> float:
    """Probability that a rule passes a challenger of a true relative effect.

    Args:
        rule: the rule.
        compared: comparison, for its standard error.
        level: level of the interval.
        effect: true relative effect of the challenger.
    """
    arms = -normal_bound(level)
    if rule.undecided is Undecided.PASSED:
        arms = -arms
    elif rule.undecided is Undecided.ESTIMATE and is_thin(rule, compared, level):
        arms = 0.0
    return compared.chance_above(rule.bound, effect, arms)
