"""Rules over windows of the hold-out, and how often they pass."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest

from serving.gate.comparison import Comparison
from serving.gate.measured import Measured
from serving.gate.policy import CHAMPION, Rule, Undecided
from serving.gate.rules import decide
from serving.gate.verdict import Outcome
from serving.gate.windowed import majority_probability
from tests.unit.serving.gate.test_gate import AHEAD, NDCG, NOT_WORSE, POLICY, compared, measured

RULE = replace(NOT_WORSE, windows=3)
FINE, BELOW, LOST = compared(-0.06, 0.1), compared(-0.16, 0.02), compared(-0.5, -0.2)


def judged(*each: Comparison, users: int = 500, rule=RULE) -> tuple[Outcome, str]:
    """Outcome and sentence, by the comparison of each window."""
    names = [f"all/window_{n}_of_{rule.windows}" for n in range(1, len(each) + 1)]
    found = measured(
        users={"all": 1_000} | dict.fromkeys(names, users),
        champion={f"{name}/ndcg@20": comparison for name, comparison in zip(names, each, strict=True)},
    )
    return verdict_on(found, rule)


def verdict_on(found: Measured, *rules: Rule) -> tuple[Outcome, str]:
    """Outcome, and sentence on the windows."""
    verdict = decide(found, replace(POLICY, rules=rules))
    return verdict.outcome, next(reason for reason in verdict.reasons if "windows" in reason)


def test_a_lucky_window_does_not_carry_the_others() -> None:
    """The mean of the three is above the margin."""
    lucky = compared(0.3, 0.5)
    assert judged(lucky, BELOW, BELOW)[0] is Outcome.UNDECIDED
    assert judged(lucky, BELOW, BELOW, rule=replace(RULE, undecided=Undecided.FAILED))[0] is Outcome.FAILED
    outcome, reason = judged(lucky, FINE, BELOW)
    assert outcome is Outcome.PASSED
    assert "within the bound in 2 of 3" in reason


@pytest.mark.parametrize(("rule", "outcome"), [(AHEAD, Outcome.UNDECIDED), (NOT_WORSE, Outcome.PASSED)])
def test_an_effect_at_the_bound_is_within_a_loss_and_no_lead(rule: Rule, outcome: Outcome) -> None:
    rule = replace(rule, against=CHAMPION, metrics=NOT_WORSE.metrics, slices=(), windows=3, margin=0.0)
    level = Comparison(users=500, value=0.2, other=0.2, error=0.0, low=0.0, high=0.0)
    found, reason = judged(level, level, level, rule=rule)
    assert found is outcome, reason


def test_a_proven_loss_in_one_window_fails() -> None:
    outcome, reason = judged(FINE, FINE, LOST)
    assert outcome is Outcome.FAILED
    assert "window 3 at -35.0% (98.3 % interval" in reason and "proven worse in 1" in reason


def test_the_level_is_corrected_for_the_windows() -> None:
    close = compared(-0.152, -0.053)
    assert close.interval(1 - 0.05 / 3)[1] > -0.05 > close.high
    assert judged(FINE, FINE, close)[0] is Outcome.PASSED


def few(users: int, last: Comparison = FINE, **changes: Any) -> Measured:
    """A challenger with few users in the first two windows, where it loses, and so many in the last one."""
    names = [f"all/window_{n}_of_3" for n in (1, 2, 3)]
    found = dict(zip([f"{name}/ndcg@20" for name in names], (LOST, LOST, last), strict=True))
    by_window = dict(zip(names, (99, 99, users), strict=True))
    return measured(users={"all": 1_000} | by_window, champion=found | {NDCG: FINE}, **changes)


@pytest.mark.parametrize("users", [99, 500])
@pytest.mark.parametrize("undecided", list(Undecided))
def test_fewer_than_two_windows_with_enough_users_are_not_judged(undecided: Undecided, users: int) -> None:
    """The rule on the whole hold-out decides alone then, where the estimate may; without one, nothing does."""
    rule, whole = replace(RULE, undecided=undecided), replace(NOT_WORSE, undecided=Undecided.PASSED)
    wanted = {each: Outcome(each) for each in (Undecided.PASSED, Undecided.FAILED, Undecided.UNDECIDED)}
    outcome, reason = verdict_on(few(users), rule, whole)
    assert outcome is wanted.get(undecided, Outcome.PASSED)
    assert f"not judged: {int(users >= 100)} of them with at least 100 users, 2 wanted" in reason
    assert ("left to the rule on the whole hold-out" in reason) == (undecided is Undecided.ESTIMATE)
    alone, _ = verdict_on(few(users), rule)
    assert alone is wanted.get(undecided, Outcome.UNDECIDED)


@pytest.mark.parametrize("undecided", list(Undecided))
def test_a_loss_that_is_proven_in_the_only_window_with_enough_users_fails(undecided: Undecided) -> None:
    rule, whole = replace(RULE, undecided=undecided), replace(NOT_WORSE, undecided=Undecided.PASSED)
    outcome, reason = verdict_on(few(500, LOST), rule, whole)
    assert outcome is Outcome.FAILED
    assert "window 3 at -35.0%" in reason and "proven worse in 1" in reason


@pytest.mark.parametrize("undecided", list(Undecided))
def test_windows_that_were_not_measured_never_pass(undecided: Undecided) -> None:
    rule = replace(RULE, undecided=undecided)
    for each in ((FINE, FINE), (FINE, FINE, replace(FINE, low=float("nan")))):
        outcome, reason = judged(*each, rule=rule)
        assert (outcome, "not measured" in reason) == (Outcome.UNDECIDED, True)


def test_the_chance_of_a_majority_is_that_of_all_cases() -> None:
    for chances in ([0.5] * 3, [0.9, 0.2, 0.6], [0.1, 0.4], [0.7] * 5):
        total = sum(
            prod(p if won else 1 - p for p, won in zip(chances, case, strict=True))
            for case in product([True, False], repeat=len(chances))
            if 2 * sum(case) > len(case)
        )
        assert majority_probability(chances) == pytest.approx(total)


@pytest.mark.parametrize("effect", [0.0, -0.05])
def test_the_shown_odds_are_those_of_drawn_windows(effect: float) -> None:
    """Half of the challengers at the margin have a majority; beside the interval over all windows, which passes one in
    forty of them, the rule never adds a promotion."""
    errors, rng = np.array([0.04, 0.05, 0.06]), np.random.default_rng(0)
    drawn_S3 = effect + errors * rng.normal(size=(20_000, 3))
    found = [Comparison(users=500, value=1 + effect, other=1.0, error=e, low=-1.0, high=1.0) for e in errors]
    shown = majority_probability(each.chance_above(-0.05, effect, 0.0) for each in found)
    majority_S = (drawn_S3 >= -0.05).sum(axis=1) >= 2
    assert np.mean(majority_S) == pytest.approx(shown, abs=0.01)
    error = 1 / np.sqrt((1 / errors**2).sum())
    passes_S = (drawn_S3 / errors**2).sum(axis=1) * error**2 - 1.96 * error > -0.05
    if effect == -0.05:
        assert shown == pytest.approx(0.5)
        assert np.mean(passes_S & majority_S) <= np.mean(passes_S) == pytest.approx(0.025, abs=0.004)
    else:
        # A challenger that is as good is held back for hardly anything but the whole interval.
        assert np.mean(passes_S & majority_S) > 0.97 * np.mean(passes_S)


def test_windows_stand_alone_and_have_one_number() -> None:
    with pytest.raises(ValueError, match="windows is 3, wanted a whole number, and no slices"):
        replace(RULE, slices=("cold_users",))
    for wrong in (1, 2.5, 21, True):
        with pytest.raises(ValueError, match="windows is"):
            replace(RULE, windows=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="different numbers of windows"):
        replace(POLICY, rules=(RULE, replace(AHEAD, windows=4)))
    assert replace(POLICY, rules=(NOT_WORSE, RULE)).windows == 3
    assert POLICY.windows == 0
