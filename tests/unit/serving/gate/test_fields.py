"""Rules over the values of a field."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serving.gate.comparison import Comparison
from serving.gate.policy import Undecided
from serving.gate.rules import decide
from serving.gate.verdict import Outcome
from tests.unit.serving.gate.test_gate import NDCG, NOT_WORSE, POLICY, compared, measured

FIELD = "items.department"
RULE = replace(NOT_WORSE, slices=(FIELD,), undecided=Undecided.PASSED)
FINE, LOST = compared(-0.04, 0.1), compared(-0.5, -0.2)


def judged(
    each: dict[str, tuple[int, Comparison]], *, values: int | None = None, rule=RULE, measured_field: bool = True
) -> tuple[Outcome, str]:
    """Outcome and sentence, by users and comparison of each value."""
    names = {value: f"all/{FIELD}={value}" for value in each}
    found = measured(
        users={"all": 1_000} | {names[value]: users for value, (users, _) in each.items()},
        champion={f"{names[value]}/ndcg@20": comparison for value, (_, comparison) in each.items()},
        slice_values={FIELD: len(each) if values is None else values} if measured_field else {},
    )
    verdict = decide(found, replace(POLICY, rules=(rule,)))
    return verdict.outcome, next(reason for reason in verdict.reasons if "by slice" in reason)


def test_every_value_with_enough_users_is_judged() -> None:
    outcome, reason = judged({"meat": (500, FINE), "a/b=c": (100, LOST), "rare": (99, LOST)})
    assert outcome is Outcome.FAILED
    assert "items.department=a/b=c failed at -35.0% (97.5 % interval" in reason
    assert "items.department: 2 of 3 values judged, the other 1 have fewer users, lowest" in reason
    assert "meat" not in reason and "rare" not in reason


def test_values_with_few_users_decide_nothing() -> None:
    outcome, reason = judged({"meat": (500, FINE), "rare": (99, LOST)}, values=412)
    assert outcome is Outcome.PASSED
    assert "1 of 412 values judged, of the 2 with most users, lowest items.department=meat passed" in reason


def test_the_level_is_corrected_for_all_values_of_a_rule() -> None:
    """A loss that is proven alone is not among twenty values."""
    close = compared(-0.2, -0.052)
    assert judged({"meat": (500, close)})[0] is Outcome.FAILED
    many = {f"kind{n}": (500, FINE) for n in range(19)} | {"meat": (500, close)}
    outcome, reason = judged(many)
    assert outcome is Outcome.PASSED
    assert "99.8 % interval" in reason and "20 slices with at least" in reason
    assert "lowest items.department=meat passed at -12.6%" in reason


@pytest.mark.parametrize("undecided", list(Undecided))
def test_a_field_without_a_value_of_enough_users_counts_as_the_rule_says(undecided: Undecided) -> None:
    outcome, reason = judged({"rare": (99, LOST)}, rule=replace(RULE, undecided=undecided))
    wanted = {Undecided.PASSED: Outcome.PASSED, Undecided.FAILED: Outcome.FAILED}
    assert outcome is wanted.get(undecided, Outcome.UNDECIDED)
    assert "items.department not judged (none of its 1 values has enough users)" in reason


@pytest.mark.parametrize("undecided", list(Undecided))
def test_a_field_that_was_not_measured_never_passes(undecided: Undecided) -> None:
    outcome, reason = judged({}, rule=replace(RULE, undecided=undecided), measured_field=False)
    assert (outcome, "items.department not measured" in reason) == (Outcome.UNDECIDED, True)


def test_fields_stand_beside_fixed_slices() -> None:
    rule = replace(RULE, slices=("cold_users", FIELD, "users.town"), metrics=(NDCG,))
    assert rule.fields == (FIELD, "users.town")
    assert list(rule.names(NDCG)) == ["cold_users"]
    assert replace(POLICY, rules=(rule, NOT_WORSE)).fields == (FIELD, "users.town")
    with pytest.raises(ValueError, match=r"unknown slice tems\.x; known are repeat, .*, and fields like items"):
        replace(RULE, slices=("tems.x",))
