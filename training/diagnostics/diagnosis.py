"""Diagnosis: is a model of the bias advised, not identifiable, or not needed?

Legend: S answers, L items of an answer, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from training.data.randomised import randomised, randomised_alone
from training.data.slates import Slates
from training.diagnostics.evidence import Basis, Evidence, gather, gather_randomised
from training.diagnostics.thresholds import Thresholds
from training.recipes.bias_models import POSITION
from training.recipes.impressions import Source

REMEDY = "randomise the order of a small share of the answers"


class Outcome(StrEnum):
    """Verdict of a log on a model of its bias."""

    ADVISED = "advised"
    NOT_IDENTIFIABLE = "not identifiable"
    NOT_NEEDED = "not needed"


@dataclass(frozen=True, kw_only=True, eq=False)
class Diagnosis:
    """Outcome, with its reasons and the evidence."""

    outcome: Outcome
    reasons: tuple[str, ...]
    """Sentences for a person, the deciding one first."""
    evidence: Evidence


def diagnose(
    slates: Slates,
    *,
    seed: int,
    name: str = POSITION,
    user_S: np.ndarray | None = None,
    unit_SL: np.ndarray | None = None,
    within: Sequence[str] = (),
    feature_SLF: np.ndarray | None = None,
    source: Source | None = None,
    thresholds: Thresholds | None = None,
) -> Diagnosis:
    """Say whether a log shows a bias, and whether it can be learned from it.

    Answers in random order are asked first, because what they say needs no assumption about
    the ranker; where they are none or too few, the whole log is. A recipe that names the
    `source` of its examination is judged by that one alone, because it learns from no other.

    Args:
        slates: the log.
        seed: random seed of resamples.
        name: the surrounding whose bias is in question.
        user_S: user of each answer; None where `query_S` is the user.
        unit_SL: things of one relevance wherever they stand; None for pairs of user and
            item. Other units need an order that does not depend on who looks, see `count_shown`.
        within: other surroundings, which must be alike in what is compared, so that their
            effects do not pass for one of `name`.
        feature_SLF: features of each impression by which relevance can be told, such as
            products of those of user and item; read where swaps do not connect positions.
        source: the comparisons that are asked alone: `randomised` answers, or `harvested` from
            the whole log; None for both.
        thresholds: thresholds; None for the usual ones.

    Raises:
        ValueError: the log has no such surrounding, no randomised answer though these alone
            are asked, or features that are read are not finite.
    """
    limits = thresholds or Thresholds()
    user_S = slates.query_S if user_S is None else user_S
    drawn, found = None, None
    if source == "randomised":
        drawn = randomised_alone(slates, user_S)
    elif source is None and unit_SL is None:
        drawn = randomised(slates, user_S)
    if drawn:
        asked = gather_randomised(drawn, slates, name=name, user_S=user_S, within=within, limits=limits, seed=seed)
        found = decide(asked, limits)
        if source == "randomised" or found.outcome is not Outcome.NOT_IDENTIFIABLE:
            return found
    evidence = gather(
        slates, name=name, user_S=user_S, unit_SL=unit_SL, within=within, feature_SLF=feature_SLF, limits=limits,
        seed=seed,
    )  # fmt: skip
    return decide(replace(evidence, randomised=found.evidence.randomised if found else None), limits)


def decide(evidence: Evidence, limits: Thresholds) -> Diagnosis:
    """Outcome of some evidence.

    What cannot be told apart, or not precisely enough, is not identifiable: that no
    difference was found is then no sign that there is none.
    """
    notes = tuple(_notes(evidence, limits))
    if len(evidence.code_K) < 2:
        # Only where everything is known to stand at one place is there no bias to ask for.
        outcome = Outcome.NOT_IDENTIFIABLE if evidence.unknown + evidence.rare else Outcome.NOT_NEEDED
        return Diagnosis(outcome=outcome, reasons=(_no_variety(evidence, limits), *notes), evidence=evidence)
    if reason := _unidentified(evidence, limits):
        return Diagnosis(outcome=Outcome.NOT_IDENTIFIABLE, reasons=(reason, *notes), evidence=evidence)
    assert evidence.examination is not None and evidence.effect is not None and evidence.p_value is not None
    tested = f"p = {evidence.p_value:.2g} for positions without an effect"
    relative = ", ".join(f"{value:.2f}" for value in evidence.examination.relative_K)
    if evidence.p_value >= limits.significance or evidence.effect < limits.least_effect:
        reason = (
            f"click rates of the same things differ by {evidence.name} no more than chance, or than matters: {tested}"
        )
        outcome = Outcome.NOT_NEEDED
    else:
        reason = f"by {evidence.name}, click rates of the same things differ: {tested}"
        outcome = Outcome.ADVISED
    measured = f"examination by {evidence.name}, relative to the first: {relative} (±{evidence.half_width:.2f} at most)"
    return Diagnosis(outcome=outcome, reasons=(reason, measured, *notes), evidence=evidence)


def _no_variety(evidence: Evidence, limits: Thresholds) -> str:
    found = ", ".join(str(code) for code in evidence.code_K) or "none"
    return (
        f"nothing to compare: {evidence.name}s with {limits.least_impressions:,} impressions or more: {found} "
        f"({evidence.unknown:,} impressions have no {evidence.name}, {evidence.rare:,} have a rare one)"
    )


def _unidentified(evidence: Evidence, limits: Thresholds) -> str | None:
    """Reason why the log does not identify the bias; None if it does."""
    if len(evidence.groups) > 1:
        return _apart(evidence, limits)
    if evidence.users < limits.least_users:
        return f"{evidence.users} users are too few for an interval; wanted at least {limits.least_users}"
    dependent = evidence.correlation is not None and abs(evidence.correlation) > limits.most_dependence
    if evidence.basis is Basis.FEATURES and dependent:
        return (
            f"features alone connect the {evidence.name}s, and the order depends on relevance (correlation "
            f"{evidence.correlation:+.2f}): what a model of relevance misses would pass for a bias; {REMEDY}"
        )
    assert evidence.half_width is not None
    return _imprecise(evidence, evidence.half_width, limits) if evidence.half_width > limits.precision else None


def _apart(evidence: Evidence, limits: Thresholds) -> str:
    groups = "; ".join(", ".join(str(code) for code in group) for group in evidence.groups)
    features = f", nor do their features overlap by {limits.least_overlap:.0%}"
    return (
        f"fewer than {limits.least_swaps} things with a click were shown in any two of these groups of {evidence.name}s"
        f"{'' if evidence.overlap_KK is None else features}, so relevance and {evidence.name} cannot be told apart: "
        f"{groups}; {REMEDY}"
    )


def _imprecise(evidence: Evidence, half_width: float, limits: Thresholds) -> str:
    answers = (half_width / limits.precision) ** 2 * evidence.answers
    enough = f"about {answers:,.0f} such answers would do" if np.isfinite(answers) else "a few users have nearly all"
    return (
        f"{evidence.basis} tell too little: the examination is known to ±{half_width:.2f}, wanted "
        f"±{limits.precision:.2f}; {enough}, or {REMEDY}"
    )


def _notes(evidence: Evidence, limits: Thresholds) -> list[str]:
    """Remarks beside the outcome: basis, dependence of the order, impressions left out."""
    notes = []
    if evidence.basis is Basis.RANDOMISED:
        notes.append(f"this rests on {evidence.randomised:,} answers in random order, whatever the ranker does")
    elif evidence.randomised is not None:
        notes.append(f"{evidence.randomised:,} answers in random order are too few to tell it by themselves")
    if evidence.basis is Basis.FEATURES:
        notes.append("this rests on features alone: it holds if relevance is a linear function of them")
    if evidence.correlation is not None and abs(evidence.correlation) > limits.most_dependence:
        notes.append(
            f"the order depends on relevance (correlation {evidence.correlation:+.2f}): a right model is not biased by "
            "that, a wrong one is, and a model without a bias may then rank better; compare both on answers in random "
            "order"
        )
    if len(evidence.code_K) >= 2 and evidence.unknown + evidence.rare:
        notes.append(
            f"left out: {evidence.unknown:,} impressions without a {evidence.name}, {evidence.rare:,} at a rare one"
        )
    return notes
