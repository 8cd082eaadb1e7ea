"""The rules of a verdict as asset checks, one for each kind of rule.

They show a decision that was taken, and block nothing: promotion reads the verdict itself,
whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from orchestration.reporting.markdown import bullets, one_a_line
from serving.gate.verdict import Outcome, RuleKind, Verdict, worst

DESCRIPTIONS = {
    RuleKind.USERS: "The hold-out has enough users to decide anything.",
    RuleKind.FLOORS: "Each metric with a floor reaches it.",
    RuleKind.SUPERIORITY: "The challenger leads the named systems by more than a margin, on the same users.",
    RuleKind.NOT_BEATEN: "No baseline of the table is better by more than chance.",
    RuleKind.NON_INFERIORITY: "The challenger loses less than a margin against the champion, on the same users.",
    RuleKind.SLICES: "No slice of users or items loses more than its margin.",
    RuleKind.WINDOWS: "The challenger holds in most consecutive windows of the hold-out, and loses provenly in none.",
    RuleKind.INDEX_RECALL: "The searcher that serves returns what exact search does.",
    RuleKind.LATENCY: "The searcher that serves answers within the budget of the policy.",
    RuleKind.PARITY: "Features read online, and the answers from them, are those that were evaluated.",
    RuleKind.SANITY: "Measures of lists and embeddings are within the bounds of a model that is not broken.",
    RuleKind.DRIFT: "No feature moved beyond its limit; those that moved are named.",
    RuleKind.BIAS: "The log tells what a bias model learned, and it learned to the end.",
}
NO_RULE = "the policy has no rule of this kind, or nothing to apply it to"
NOT_KEPT = "judged before rules were kept by kind: the reasons are with the asset"


def check_specs() -> list[dg.AssetCheckSpec]:
    """Checks of the verdict, one for each kind of rule."""
    return [dg.AssetCheckSpec(kind.value, asset="verdict", description=text) for kind, text in DESCRIPTIONS.items()]


def check_results(verdict: Verdict) -> Iterator[dg.AssetCheckResult]:
    """Results of all checks of `check_specs`.

    A check that is not passed warns where its rules are undecided.
    """
    for kind in DESCRIPTIONS:
        found = [n for n, rule in enumerate(verdict.rules) if rule.kind is kind]
        reasons = [verdict.reasons[n] for n in found]
        # A verdict of before has reasons and no kinds: no check may look better than it.
        known = bool(verdict.rules)
        outcome = worst(Outcome(each.split(":")[0]) for each in reasons) if known else verdict.outcome
        numbers = {name: each for n in found for name, each in verdict.rules[n].numbers.items()}
        yield dg.AssetCheckResult(
            check_name=kind.value,
            passed=outcome is Outcome.PASSED,
            severity=dg.AssetCheckSeverity.ERROR if outcome is Outcome.FAILED else dg.AssetCheckSeverity.WARN,
            description=one_a_line(reasons) if reasons else NO_RULE if known else NOT_KEPT,
            metadata={
                "outcome": outcome.value,
                "reasons": dg.MetadataValue.md(bullets(reasons)),
                **{name: dg.MetadataValue.float(each) for name, each in numbers.items()},
            },
        )
