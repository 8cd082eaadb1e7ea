"""Guards of a refit: each one alone can stop it, and nothing else is asked."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from serving.gate.bias import Bias
from serving.gate.guard_policy import RefitPolicy, UpdatePolicy
from serving.gate.parity import Parity
from serving.gate.policy_file import SHIPPED, read_policy
from serving.gate.refit import Guards, judge_refit
from serving.gate.verdict import Outcome

POLICY = read_policy()
SAME = Parity(users=100, features={"age": 0}, lists=0, k=20)
GOOD = Guards(index_recall=0.99, users=500, overlap=0.5, score_shift=0.1, item_dims=0.9, user_dims=0.9, parity=SAME)


def outcome(guards: Guards) -> Outcome:
    return judge_refit(guards, POLICY, POLICY.refit, twin=3, holdout="from then to now").outcome


def test_a_refit_like_its_twin_passes_and_says_what_was_not_asked() -> None:
    verdict = judge_refit(GOOD, POLICY, POLICY.refit, twin=3, holdout="from then to now")
    assert verdict.outcome is Outcome.PASSED
    assert verdict.reasons[0].startswith("passed: quality is not asked on the hold-out from then to now")
    assert "version 3" in verdict.reasons[0]
    assert verdict.policy is not None and verdict.policy.sha256 == POLICY.sha256


@pytest.mark.parametrize(
    ("guard", "value"),
    [("index_recall", 0.94), ("overlap", 0.29), ("score_shift", 0.61), ("item_dims", 0.49), ("user_dims", 0.49)],
)
def test_each_guard_alone_stops_it_and_what_is_no_number_leaves_it_undecided(guard: str, value: float) -> None:
    assert outcome(replace(GOOD, **{guard: value})) is Outcome.FAILED
    assert outcome(replace(GOOD, **{guard: float("nan")})) is Outcome.UNDECIDED


def test_parity_is_asked_as_of_any_version() -> None:
    assert outcome(replace(GOOD, parity=replace(SAME, features={"age": 1}))) is Outcome.FAILED
    assert outcome(replace(GOOD, parity=None)) is Outcome.UNDECIDED


def test_a_policy_of_before_has_the_guards_of_the_shipped_one(tmp_path: Path) -> None:
    raw = yaml.safe_load(SHIPPED.read_text())
    path = tmp_path / "gate.yaml"
    path.write_text(yaml.safe_dump({name: value for name, value in raw.items() if name not in ("refit", "update")}))
    assert (read_policy(path).refit, read_policy(path).update) == (POLICY.refit, POLICY.update)
    assert not POLICY.refit.after_pass
    assert {each.name for each in fields(RefitPolicy)} == raw["refit"].keys()
    assert {each.name for each in fields(UpdatePolicy)} == raw["update"].keys()


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"refit": {"after_pass": "yes"}}, "refit: after_pass is 'yes', wanted true or false"),
        ({"refit": {"overlap": 2}}, "refit: overlap is 2, wanted a number from 0 to 1"),
        ({"refit": {"overlap": True}}, "refit: overlap is True, wanted a number"),
        ({"refit": {"quality": 1}}, "refit: .*unexpected keyword argument 'quality'"),
        ({"update": {"after_pass": True}}, "update: .*unexpected keyword argument 'after_pass'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, section: dict[str, Any], said: str) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(SHIPPED.read_text()) | section))
    with pytest.raises(ValueError, match=said):
        read_policy(path)


def test_a_refit_with_a_bias_model_is_judged_by_its_own_log() -> None:
    bias = Bias(model="Additive()", outcome="not identifiable", reasons=["so"], converged=True, convergence="")
    assert outcome(replace(GOOD, bias=bias)) is Outcome.UNDECIDED
    assert outcome(replace(GOOD, bias=replace(bias, outcome="advised"))) is Outcome.PASSED
    assert not any("bias" in name for name in replace(GOOD, bias=bias).metrics())
