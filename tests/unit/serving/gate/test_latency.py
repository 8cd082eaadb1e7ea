"""A searcher within its budget passes, a disturbed machine fails no version, a slow searcher does."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from serving.gate.latency import Latency, judge_latency, read_latency
from serving.gate.verdict import Outcome


def latency(p50: list[float], p99: list[float]) -> Latency:
    return Latency(searches=100, p50_ms=p50, p99_ms=p99, machine="host (x86_64, 4 cores, load 9.1)")


@pytest.mark.parametrize(
    ("p50", "p99", "outcome"),
    [
        ([1.0, 2.0], [5.0, 9.0], Outcome.PASSED),
        ([9.0, 2.0], [90.0, 10.0], Outcome.PASSED),  # disturbed in one round
        ([9.0, 2.1], [9.0, 9.0], Outcome.FAILED),
        ([1.0, 1.0], [10.1, 11.0], Outcome.FAILED),
        ([1.0, math.nan], [1.0, 1.0], Outcome.UNDECIDED),
        ([], [], Outcome.UNDECIDED),
    ],
)
def test_the_fastest_round_decides(p50: list[float], p99: list[float], outcome: Outcome) -> None:
    judged = judge_latency(latency(p50, p99), {"p50_ms": 2.0, "p99_ms": 10.0})
    assert judged.outcome is outcome
    assert "on host (x86_64, 4 cores, load 9.1)" in judged.text


def test_only_what_the_policy_names_is_judged() -> None:
    judged = judge_latency(latency([99.0], [5.0]), {"p99_ms": 10.0})
    assert (judged.outcome, dict(judged.numbers)) == (Outcome.PASSED, {"p99 in ms": 5.0})
    assert "p99 5.00 ms (at most 10), in the fastest of 1 rounds of 100 searches" in judged.text


@pytest.mark.parametrize(("p99", "outcome"), [(11.0, Outcome.UNDECIDED), (9.0, Outcome.PASSED)])
def test_a_busy_machine_fails_no_version(p99: float, outcome: Outcome) -> None:
    assert judge_latency(replace(latency([1.0], [p99]), is_busy=True), {"p99_ms": 10.0}).outcome is outcome


def test_what_was_not_measured_is_undecided() -> None:
    assert judge_latency(None, {"p99_ms": 10.0}).outcome is Outcome.UNDECIDED


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"p98_ms": 1},
        {"p99_ms": 0},
        {"p99_ms": True},
        {"p99_ms": "5"},
        50,
        {"p50_ms": math.nan},
        {"p99_ms": math.inf},
    ],
)
def test_a_budget_that_is_none_is_refused(raw: Any) -> None:
    with pytest.raises(ValueError, match=r"latency is .*, wanted p50_ms or p99_ms or both"):
        read_latency(raw)
