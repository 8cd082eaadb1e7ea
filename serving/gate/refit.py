"""Guards of a refit: a pure function from what was measured beside its judged twin to a verdict.

A refit has learned from the hold-out of its twin, so its quality there says nothing. The guards ask whether it is
still the same recommender: the index finds what it should, the embeddings keep their dimensions, most users get much
the same items, and scores lie where they lay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from serving.gate.bias import Bias, judge_bias
from serving.gate.guard_policy import GuardPolicy
from serving.gate.parity import Parity, judge_parity
from serving.gate.policy import Policy
from serving.gate.verdict import Judged, Outcome, PolicyText, RuleKind, Verdict


@dataclass(frozen=True, kw_only=True)
class Guards:
    """Measurement of a refit beside its judged twin, for the same users at the same moment."""

    index_recall: float
    """Share of the exact top items that the searcher of the refit returns."""
    users: int
    """Users that were asked for."""
    overlap: float
    """Mean share of the twin's 20 items that the refit has in its 20."""
    score_shift: float
    """Largest difference of the distribution functions of their 20 best scores, 0 to 1."""
    item_dims: float
    """Effective dimensions of the refit's item embeddings, as a share of the twin's."""
    user_dims: float
    """The same of the user embeddings."""
    parity: Parity | None
    """Its users online beside the same users offline; None if it was not measured."""
    bias: Bias | None = None
    """Bias of the impressions that it learned from; None for data without impressions."""

    def metrics(self) -> dict[str, float]:
        """Numbers by the name in the manifest."""
        numbers = [each.name for each in fields(self) if each.name not in ("parity", "bias")]
        return {f"refit/{name}": float(getattr(self, name)) for name in numbers}


def judge_refit(guards: Guards, policy: Policy, asked: GuardPolicy, *, twin: int, holdout: str) -> Verdict:
    """Judge a refit by the guards of the policy.

    Args:
        guards: what was measured.
        policy: the requirements of a release, whose index recall and parity hold here too.
        asked: those of a refit, or of an update between two releases.
        twin: the judged version that it is a refit of.
        holdout: the hold-out of the twin in words.
    """
    beside, dims = f"beside version {twin}, {guards.users:,} users", f"share of those of version {twin}"
    judged = [
        Judged(
            RuleKind.USERS,
            Outcome.PASSED,
            f"quality is not asked on the hold-out {holdout}: this version has learned from it; version {twin}, which "
            "has not, was judged there",
        ),
        _at_least("index recall", guards.index_recall, policy.index_recall, "", RuleKind.INDEX_RECALL),
        *([judge_parity(guards.parity)] if policy.parity else []),
        *([judge_bias(guards.bias)] if guards.bias else []),
        _at_least("overlap of the lists of 20", guards.overlap, asked.overlap, beside),
        _at_most("shift of the scores", guards.score_shift, asked.score_shift, beside),
        _at_least("effective dimensions of items", guards.item_dims, asked.dims, dims),
        _at_least("effective dimensions of users", guards.user_dims, asked.dims, dims),
    ]
    return Verdict.of(judged, PolicyText(text=policy.text, sha256=policy.sha256) if policy.text else None)


def _at_least(name: str, value: float, floor: float, more: str, kind: RuleKind = RuleKind.SANITY) -> Judged:
    text = f"{name} {value:.4f} against at least {floor:.4f}{more and f' ({more})'}"
    return Judged(kind, _outcome(value, value >= floor), text, {name: value, f"floor of {name}": floor})


def _at_most(name: str, value: float, most: float, more: str) -> Judged:
    text = f"{name} {value:.4f} against at most {most:.4f} ({more})"
    return Judged(RuleKind.SANITY, _outcome(value, value <= most), text, {name: value, f"ceiling of {name}": most})


def _outcome(value: float, met: bool) -> Outcome:
    if not math.isfinite(value):
        return Outcome.UNDECIDED
    return Outcome.PASSED if met else Outcome.FAILED
