"""A bias model passes only where the log tells what it learned, and it learned to the end."""

from __future__ import annotations

import pytest

from serving.gate.bias import Bias, judge_bias
from serving.gate.verdict import Outcome, RuleKind


@pytest.mark.parametrize(
    ("model", "outcome", "converged", "wanted"),
    [
        ("Additive()", "advised", True, Outcome.PASSED),
        ("Additive()", "not needed", True, Outcome.PASSED),
        ("Additive()", "advised", False, Outcome.UNDECIDED),
        ("Additive()", "advised", None, Outcome.UNDECIDED),
        ("Additive()", "not identifiable", True, Outcome.UNDECIDED),
        ("Additive()", None, True, Outcome.UNDECIDED),
        (None, "advised", None, Outcome.PASSED),
        (None, "not identifiable", None, Outcome.PASSED),
        (None, None, None, Outcome.PASSED),
    ],
)
def test_outcomes(model: str | None, outcome: str | None, converged: bool | None, wanted: Outcome) -> None:
    bias = Bias(model=model, outcome=outcome, reasons=["so it is"], converged=converged, convergence="it moved")
    judged = judge_bias(bias)
    assert (judged.kind, judged.outcome) == (RuleKind.BIAS, wanted)
    told = "it moved" if wanted is Outcome.UNDECIDED and outcome in ("advised", "not needed") else "so it is"
    assert told in judged.text
