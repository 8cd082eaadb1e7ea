"""Rule on a bias model: what it learned must be told by the log, and learned to the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serving.gate.verdict import Judged, Outcome, RuleKind

NOT_IDENTIFIABLE = "not identifiable"
"""Outcome of a log that cannot tell relevance and position apart."""


@dataclass(frozen=True, kw_only=True)
class Bias:
    """Bias of the impressions that a version learned from."""

    model: str | None
    """Bias model of its recipe; None without one."""
    outcome: str | None
    """`advised`, `not identifiable` or `not needed`; None where no position is known."""
    reasons: Sequence[str]
    """Sentences, the deciding one first."""
    converged: bool | None
    """Whether the bias tower converged; None without one."""
    convergence: str
    """Numbers behind that."""


def judge_bias(bias: Bias) -> Judged:
    """Judge a bias model, in one sentence.

    A version without one passes: clicks as they are need no other source.
    """
    why = bias.reasons[0] if bias.reasons else "no reason kept"
    if bias.model is None:
        return Judged(RuleKind.BIAS, Outcome.PASSED, f"no bias model; {bias.outcome or 'nothing to tell'}: {why}")
    if bias.outcome is None or bias.outcome == NOT_IDENTIFIABLE:
        text = f"{bias.model} on a log that does not identify it: {why}"
        return Judged(RuleKind.BIAS, Outcome.UNDECIDED, text)
    if not bias.converged:
        return Judged(RuleKind.BIAS, Outcome.UNDECIDED, f"{bias.model} did not converge: {bias.convergence}")
    return Judged(RuleKind.BIAS, Outcome.PASSED, f"{bias.model}, {bias.outcome}: {why}; {bias.convergence}")
