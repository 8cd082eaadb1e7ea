"""Limits of the drift of features."""

from __future__ import annotations

import math

import pytest

from serving.gate.drift import Drifted, DriftLimits, judge_drift, read_limits
from serving.gate.verdict import Outcome

STILL, MOVED = Drifted(index=0.3, chance=0.1), Drifted(index=0.5, chance=0.1)


@pytest.mark.parametrize(
    ("drift", "fail", "outcome", "text"),
    [
        ({"age": STILL}, None, Outcome.PASSED, "none of 1 features moved by more than 0.25 against v3"),
        ({"age": STILL, "town": MOVED}, None, Outcome.PASSED, "1 of 2 features moved by more than 0.25 against v3: "),
        ({"age": STILL, "town": MOVED}, None, Outcome.PASSED, "town 0.50 (0.10 by chance); noted, which passes"),
        ({"age": STILL, "town": MOVED}, 0.41, Outcome.PASSED, "town 0.50 (0.10 by chance); 0.41 allowed"),
        ({"age": STILL, "town": MOVED}, 0.39, Outcome.FAILED, "town 0.50 (0.10 by chance); 0.39 allowed"),
        ({"age": Drifted(index=math.nan, chance=0.1), "town": MOVED}, 0.1, Outcome.UNDECIDED, "drift of age is no"),
        (None, None, Outcome.UNDECIDED, "drift of the features not measured"),
        ({}, None, Outcome.PASSED, "no feature whose drift could be measured"),
        ({}, 0.4, Outcome.UNDECIDED, "no feature whose drift could be measured"),
    ],
)
def test_a_drift_is_noted_and_fails_where_asked(
    drift: dict[str, Drifted] | None, fail: float | None, outcome: Outcome, text: str
) -> None:
    judged = judge_drift(drift, "v3", DriftLimits(note=0.25, fail=fail))
    assert (judged.outcome, text in judged.text) == (outcome, True), judged.text


@pytest.mark.parametrize(
    "raw",
    [
        0.25,
        {},
        {"fail": 1},
        {"note": 0},
        {"note": True},
        {"note": 0.1, "warn": 1},
        {"note": math.nan},
        {"note": math.inf},
        {"note": 0.25, "fail": 0.1},
    ],
)
def test_limits_that_cannot_be_used_are_refused(raw: object) -> None:
    with pytest.raises(ValueError, match=r"drift is .*, wanted note and maybe fail"):
        read_limits(raw)
