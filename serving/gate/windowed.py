"""Rules over consecutive windows of the hold-out: one lucky stretch promotes nothing.

A whole hold-out may be carried by a few days. A rule with windows fails at a loss that is
proven in any of them, at a level corrected for their number, and passes if the challenger
is above the bound in more than half of them. Where fewer than two have enough users, it
has no majority to look at, and leaves that to a rule on the whole hold-out.
"""

from __future__ import annotations

from collections.abc import Iterable

from serving.gate.comparison import Comparison, corrected_level
from serving.gate.measured import Comparisons, Measured
from serving.gate.paired import UNJUDGED, claim, numbers_of, shown_effect
from serving.gate.policy import Kind, Policy, Rule, Undecided
from serving.gate.verdict import Judged, Outcome, RuleKind

LEAST_WINDOWS = 2
"""Windows of a majority: one is the hold-out again."""


def judge_windows(rule: Rule, metric: str, compared: Comparisons, measured: Measured, policy: Policy) -> Judged:
    """Judge a metric in all windows of a rule, in one sentence.

    Args:
        rule: the rule.
        metric: the metric of a view.
        compared: the challenger beside the rule's other system.
        measured: users of each window.
        policy: level of the intervals and least users of a window.
    """
    view, plain = metric.split("/")
    names = {n: f"{view}/window_{n}_of_{rule.windows}" for n in range(1, rule.windows + 1)}
    head = f"{metric} in {rule.windows} windows against {rule.against}, {claim(rule)}"
    if any(name not in measured.users for name in names.values()):
        return Judged(RuleKind.WINDOWS, Outcome.UNDECIDED, f"{head}: not measured")
    enough = [n for n, name in names.items() if measured.users[name] >= policy.min_slice_users]
    found = {n: each for n in enough if (each := compared.get(f"{names[n]}/{plain}")) and each.is_measured}
    if len(found) < len(enough):
        return Judged(RuleKind.WINDOWS, Outcome.UNDECIDED, f"{head}: not measured")
    level = corrected_level(policy.level, len(found))
    parts = [f"window {n} at {shown_effect(each, level)}" for n, each in found.items()]
    worse = sum(each.interval(level)[1] < rule.bound for each in found.values())
    if worse:
        outcome, why = Outcome.FAILED, f"proven worse in {worse}"
    elif len(found) < LEAST_WINDOWS:
        outcome, why = _without_majority(rule, metric, len(found), policy)
    else:
        outcome, why = _majority(rule, list(found.values()))
    parts += [why, *([_odds(rule, list(found.values()))] if len(found) >= LEAST_WINDOWS else [])]
    few = f", {rule.windows - len(found)} with too few users" if len(found) < rule.windows else ""
    numbers: dict[str, float] = {}
    for n, each in found.items():
        numbers |= numbers_of(f"{metric} in window {n} against {rule.against}", each, level)
    return Judged(RuleKind.WINDOWS, outcome, f"{head}{few}: {'; '.join(parts)}", numbers)


def _majority(rule: Rule, found: list[Comparison]) -> tuple[Outcome, str]:
    """Decide by the number of windows within the bound."""
    # As on the whole hold-out, superiority is strict: no lead is none, also in each window.
    strict = rule.kind is Kind.SUPERIORITY
    above = sum(each.effect > rule.bound or (each.effect == rule.bound and not strict) for each in found)
    text = f"within the bound in {above} of {len(found)}"
    if 2 * above > len(found):
        return Outcome.PASSED, text
    return UNJUDGED[rule.undecided], f"{text}, more than half wanted"


def _without_majority(rule: Rule, metric: str, judged: int, policy: Policy) -> tuple[Outcome, str]:
    """Decide where too few windows have enough users for a majority, and no loss is proven.

    Args:
        rule: the rule.
        metric: the metric of a view.
        judged: windows with enough users.
        policy: has the rule on the whole hold-out, if there is one.
    """
    few = f"not judged: {judged} of them with at least {policy.min_slice_users:,} users, {LEAST_WINDOWS} wanted"
    if rule.undecided is not Undecided.ESTIMATE:
        return UNJUDGED[rule.undecided], few
    # Few users are no fault of a version, but a version that no other rule judges has shown nothing.
    if any(each.is_whole and each.against == rule.against and metric in each.metrics for each in policy.rules):
        return Outcome.PASSED, f"{few}; left to the rule on the whole hold-out"
    return Outcome.UNDECIDED, f"{few}; no rule compares {metric} with {rule.against} on the whole hold-out"


def _odds(rule: Rule, found: list[Comparison]) -> str:
    equal, worse = (
        majority_probability(each.chance_above(rule.bound, effect, 0.0) for each in found)
        for effect in (0.0, rule.bound)
    )
    return f"a majority is found by {equal:.1%} of equally good challengers, by {worse:.1%} of those at the bound"


def majority_probability(chances: Iterable[float]) -> float:
    """Probability that more than half of independent events happen.

    Windows share users, so that their errors are not quite independent.

    Args:
        chances: probability of each event.
    """
    counts = [1.0]  # probability of each number of events so far
    for chance in chances:
        counts = [
            (counts[n] if n < len(counts) else 0.0) * (1 - chance) + (counts[n - 1] * chance if n else 0.0)
            for n in range(len(counts) + 1)
        ]
    return sum(each for n, each in enumerate(counts) if 2 * n > len(counts) - 1)
