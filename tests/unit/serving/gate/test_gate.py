"""Every rule of the gate can fail, each for its own reason."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from serving.gate.policy import Margin, Policy, Regression
from serving.gate.rules import Facts, decide
from serving.gate.verdict import Outcome, Verdict

CUT = datetime(2024, 1, 1)
GOOD = {"all/recall@20": 0.30, "all/ndcg@20": 0.40}
POLICY = Policy(
    floors={"all/recall@20": 0.20},
    margins=(Margin(baseline="popularity", metrics=("all/recall@20",), margin=0.1),),
    not_beaten=("all/recall@20",),
    regression=Regression(metrics=("all/ndcg@20",), max_drop=0.05),
    index_recall=0.95,
    min_holdout_users=100,
)


def judge(**changes: Any) -> Verdict:
    """A challenger that passes every rule by a hair, with some inputs changed."""
    inputs: dict[str, Any] = {
        "challenger": GOOD,
        "champion": {"all/ndcg@20": 0.40 / 0.95 - 1e-9},
        "baselines": {"popularity": {"all/recall@20": 0.30 / 1.1 - 1e-9}},
        "index_recall": 0.95,
        "leads": {"popularity": {"all/recall@20": (0.01, 0.05)}, "recent": {"all/recall@20": (-0.1, 0.0)}},
        "holdout_users": 100,
        "champion_cut": CUT,
    } | changes
    facts = Facts(holdout_users=inputs.pop("holdout_users"), cut=CUT, champion_cut=inputs.pop("champion_cut"))
    return decide(**inputs, policy=POLICY, facts=facts)


def test_meeting_every_rule_passes_and_every_rule_is_shown() -> None:
    verdict = judge()
    assert verdict.outcome is Outcome.PASSED
    assert len(verdict.reasons) == 6
    assert all(reason.startswith("passed: ") for reason in verdict.reasons)
    assert "passed: all/recall@20 0.3000 against popularity 0.2727, margin +10.0%" in verdict.reasons


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"challenger": GOOD | {"all/recall@20": 0.199}}, "failed: all/recall@20 0.1990 against floor 0.2000"),
        ({"baselines": {"popularity": {"all/recall@20": 0.2728}}},
         "failed: all/recall@20 0.3000 against popularity 0.2728, margin +10.0%"),
        ({"champion": {"all/ndcg@20": 0.4211}},
         "failed: all/ndcg@20 0.4000 against champion 0.4211, drop of at most 5.0%"),
        ({"leads": {"recent": {"all/recall@20": (-0.08, -0.02)}, "other": {"all/recall@20": (0.1, 0.2)}}},
         "failed: all/recall@20 is beaten by recent, by 0.0200 to 0.0800 (paired 95 % interval)"),
        ({"index_recall": 0.9499}, "failed: index recall 0.9499 against floor 0.9500"),
    ],
)  # fmt: skip
def test_each_rule_can_fail(changes: dict[str, Any], reason: str) -> None:
    verdict = judge(**changes)
    assert verdict.outcome is Outcome.FAILED
    assert reason in verdict.reasons


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"holdout_users": 99}, "undecided: 99 users in the hold-out, at least 100 wanted"),
        ({"champion_cut": datetime(2024, 1, 2)}, "undecided: the champion was trained until 2024-01-02"),
        ({"champion_cut": None}, "undecided: the champion could not be measured"),
        ({"champion": {}}, "undecided: all/ndcg@20 0.4000 against champion not measured"),
        ({"champion": {"all/ndcg@20": math.nan}}, "undecided: all/ndcg@20 0.4000 against champion nan"),
        ({"baselines": {}}, "undecided: all/recall@20 0.3000 against popularity not measured"),
        ({"challenger": {"all/recall@20": 0.3}}, "undecided: all/ndcg@20 not measured against champion"),
        ({"challenger": GOOD | {"all/ndcg@20": math.nan}}, "undecided: all/ndcg@20 nan against champion"),
        ({"challenger": GOOD | {"all/recall@20": math.inf}}, "undecided: all/recall@20 inf against floor"),
        ({"index_recall": math.nan}, "undecided: index recall nan"),
        ({"leads": {}}, "undecided: all/recall@20: no interval beside any baseline"),
        (
            {"leads": {"recent": {"all/recall@20": (math.nan, 0.1)}}},
            "undecided: all/recall@20: no interval beside recent",
        ),
    ],
)
def test_an_unmeasured_metric_never_passes(changes: dict[str, Any], reason: str) -> None:
    verdict = judge(**changes)
    assert verdict.outcome is Outcome.UNDECIDED
    assert any(shown.startswith(reason) for shown in verdict.reasons)


def test_a_failure_outweighs_an_undecided_rule() -> None:
    assert judge(holdout_users=1, index_recall=0.1).outcome is Outcome.FAILED


def test_the_first_challenger_needs_no_champion() -> None:
    verdict = judge(champion=None, champion_cut=None)
    assert verdict.outcome is Outcome.PASSED
    assert "passed: no champion to compare with" in verdict.reasons


def test_a_champion_of_the_same_cut_is_compared() -> None:
    assert judge(champion_cut=CUT).outcome is Outcome.PASSED


def test_zero_against_zero_is_no_lead() -> None:
    lead = Policy(
        margins=(Margin(baseline="als", metrics=("all/recall@20",)),),
        regression=Regression(metrics=(), max_drop=0.0),
        index_recall=0.0,
        min_holdout_users=1,
    )
    facts = Facts(holdout_users=1, cut=CUT)
    zero = {"all/recall@20": 0.0}
    assert decide(zero, None, {"als": zero}, 1.0, lead, facts=facts, leads={}).outcome is Outcome.FAILED


def test_verdicts_survive_storage() -> None:
    for verdict in (judge(), judge(index_recall=0.0), judge(holdout_users=1)):
        assert Verdict.from_json(verdict.to_json()) == verdict
    with pytest.raises(ValueError, match="splendid"):
        Verdict.from_json('{"outcome": "splendid", "reasons": []}')


def test_the_shipped_policy_wants_a_lead_over_popularity_and_als_and_no_better_baseline() -> None:
    policy = Policy.load()
    assert {margin.baseline for margin in policy.margins} == {"popularity", "als"}
    ahead = dict.fromkeys(("all/recall@20", "all/ndcg@20"), 0.2)
    behind = dict.fromkeys(ahead, 0.1)
    facts = Facts(holdout_users=1_000, cut=CUT, champion_cut=CUT)
    passing: dict[str, Any] = {"facts": facts, "leads": {"recent": dict.fromkeys(ahead, (-0.1, 0.1))}}
    for leader in ("popularity", "als"):
        baselines = {"popularity": behind, "als": behind}
        assert decide(ahead, behind, baselines, 1.0, policy, **passing).outcome is Outcome.PASSED
        verdict = decide(ahead, behind, baselines | {leader: ahead}, 1.0, policy, **passing)
        assert verdict.outcome is Outcome.FAILED
    assert decide(ahead, dict.fromkeys(ahead, 0.21), baselines, 1.0, policy, **passing).outcome is Outcome.FAILED
    for metric in ahead:
        beaten = {"recent": dict.fromkeys(ahead, (-0.1, 0.1)) | {metric: (-0.1, -0.01)}}
        verdict = decide(ahead, behind, baselines, 1.0, policy, facts=facts, leads=beaten)
        assert verdict.outcome is Outcome.FAILED


TEXT = """
margins: [{baseline: als, metrics: [all/recall@20], margin: 0.5}]
regression: {metrics: [all/recall@20], max_drop: 0.1}
index_recall: 0.9
min_holdout_users: 5
"""


def test_a_policy_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(TEXT)
    policy = Policy.load(path)
    assert policy.margins == (Margin(baseline="als", metrics=("all/recall@20",), margin=0.5),)
    assert (policy.min_holdout_users, policy.floors) == (5, {})


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("index_recall: 0.9", "index_recall: 9", "index_recall is 9, wanted a number from 0 to 1"),
        ("index_recall: 0.9", "index_recall: .nan", "index_recall is nan"),
        ("index_recall: 0.9", "index_recall: true", "index_recall is True"),
        ("index_recall: 0.9", "", "index_recall"),
        ("index_recall", "index_recal", "index_recal"),
        ("max_drop: 0.1", "max_drop: -0.1", "max_drop is -0.1"),
        ("max_drop: 0.1", "max_dorp: 0.1", "max_dorp"),
        ("margin: 0.5", "margin: lots", "margin over als is 'lots'"),
        ("min_holdout_users: 5", "min_holdout_users: 0", "min_holdout_users is 0"),
        ("min_holdout_users: 5", "floors: {all/recall@20: 2}\nmin_holdout_users: 5", "floor of all/recall@20 is 2"),
        ("margins: [", "margins: [[", "gate.yaml"),
        (TEXT, "", "gate.yaml"),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused(tmp_path: Path, old: str, new: str, problem: str) -> None:
    path = tmp_path / "gate.yaml"
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(ValueError, match=r"gate policy .*gate\.yaml") as caught:
        Policy.load(path)
    assert problem in str(caught.value)
