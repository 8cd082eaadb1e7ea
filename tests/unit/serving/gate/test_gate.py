"""Every rule of the gate can fail, each for its own reason."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from serving.gate.comparison import Comparison
from serving.gate.measured import Measured
from serving.gate.parity import Parity
from serving.gate.policy import CHAMPION, Kind, Policy, Rule, Undecided
from serving.gate.rules import decide
from serving.gate.verdict import Outcome, PolicyText, Verdict

CUT = datetime(2024, 1, 1)
RECALL, NDCG = "all/recall@20", "all/ndcg@20"
NOT_WORSE = Rule(kind=Kind.NON_INFERIORITY, against=CHAMPION, metrics=(NDCG,), margin=0.05)
AHEAD = Rule(kind=Kind.SUPERIORITY, against="popularity", metrics=(RECALL,), margin=0.1)
POLICY = Policy(
    floors={RECALL: 0.20}, rules=(AHEAD, NOT_WORSE), not_beaten=(RECALL,), index_recall=0.95, min_holdout_users=100
)
SAME_ONLINE = Parity(users=100, features={"age": 0, "history_items": 0}, lists=0, k=20)


def compared(low: float, high: float, *, users: int = 1_000, other: float = 0.2) -> Comparison:
    """A comparison by its 95 % interval, whose middle is the estimate."""
    effect = (low + high) / 2
    error = other * (high - low) / 2 / 1.96
    return Comparison(users=users, value=other * (1 + effect), other=other, error=error, low=low, high=high)


def measured(**changes: Any) -> Measured:
    """A challenger that passes every rule by a hair."""
    popularity, recent = compared(0.101, 0.399), compared(-0.4, 0.001)
    found: dict[str, Any] = {
        "metrics": {RECALL: 0.20, NDCG: 0.40},
        "users": {"all": 100},
        "baselines": {"popularity": {RECALL: popularity}, "recent": {RECALL: recent}},
        "champion": {NDCG: compared(-0.049, 0.01)},
        "index_recall": 0.95,
        "cut": CUT,
        "champion_cut": CUT,
        "parity": SAME_ONLINE,
    }
    return Measured(**{**found, **changes})


def judge(policy: Policy = POLICY, **changes: Any) -> Verdict:
    return decide(measured(**changes), policy)


def test_meeting_every_rule_passes_and_every_rule_is_shown() -> None:
    verdict = judge()
    assert verdict.outcome is Outcome.PASSED
    assert len(verdict.reasons) == 7
    assert all(reason.startswith("passed: ") for reason in verdict.reasons)
    assert (
        "passed: all/recall@20 0.2500 against popularity 0.2000: +25.0% (95 % interval +10.1% to +39.9%),"
        " lead of more than 10.0% wanted"
    ) in verdict.reasons
    against = next(reason for reason in verdict.reasons if "against champion" in reason)
    assert (
        "-1.9% (95 % interval -4.9% to +1.0%), loss of at most 5.0% allowed; with 1,000 users a loss below" in against
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metrics": {RECALL: 0.199}}, "failed: all/recall@20 0.1990 against floor 0.2000"),
        (
            {"baselines": {"popularity": {RECALL: compared(-0.1, 0.099)}}},
            "failed: all/recall@20 0.1999 against popularity 0.2000: -0.0%",
        ),
        ({"champion": {NDCG: compared(-0.2, -0.051)}}, "failed: all/ndcg@20 0.1749 against champion 0.2000: -12.5%"),
        (
            {"baselines": {"popularity": {RECALL: compared(0.2, 0.3)}, "recent": {RECALL: compared(-0.08, -0.02)}}},
            "failed: all/recall@20 is beaten by recent, at -8.0% to -2.0% (paired 95 % interval)",
        ),
        ({"index_recall": 0.9499}, "failed: index recall 0.9499 against floor 0.9500"),
        (
            {"parity": replace(SAME_ONLINE, features={"age": 0, "history_items": 7})},
            "failed: train/serve parity of 100 users: history_items differs online for 7",
        ),
        ({"parity": replace(SAME_ONLINE, lists=1)}, "failed: train/serve parity of 100 users: the top 20 of 1 differ"),
    ],
)
def test_each_rule_can_fail(changes: dict[str, Any], reason: str) -> None:
    verdict = judge(**changes)
    assert verdict.outcome is Outcome.FAILED
    assert any(shown.startswith(reason) for shown in verdict.reasons), verdict.reasons


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"users": {"all": 99}}, "undecided: 99 users in the hold-out, at least 100 wanted"),
        ({"champion_cut": datetime(2024, 1, 2)}, "undecided: the champion was trained until 2024-01-02"),
        ({"champion_cut": None}, "undecided: the champion could not be measured"),
        ({"champion": {}}, "undecided: all/ndcg@20 against champion: not measured"),
        (
            {"champion": {NDCG: replace(compared(0, 1), low=math.nan)}},
            "undecided: all/ndcg@20 against champion: not measured",
        ),
        (
            {"champion": {NDCG: replace(compared(0, 1), error=math.nan)}},
            "undecided: all/ndcg@20 against champion: not measured",
        ),
        (
            {"baselines": {"recent": {RECALL: compared(0, 1)}}},
            "undecided: all/recall@20 against popularity: not measured",
        ),
        ({"metrics": {NDCG: 0.3}}, "undecided: all/recall@20 not measured against floor"),
        ({"metrics": {RECALL: math.inf}}, "undecided: all/recall@20 inf against floor"),
        ({"index_recall": math.nan}, "undecided: index recall nan"),
        ({"parity": None}, "undecided: train/serve parity not measured"),
        ({"baselines": {}}, "undecided: all/recall@20: no interval beside any baseline"),
        (
            {
                "baselines": {
                    "popularity": {RECALL: compared(1, 2)},
                    "b": {RECALL: replace(compared(1, 2), value=math.nan)},
                }
            },
            "undecided: all/recall@20: no interval beside popularity, b",
        ),
    ],
)
def test_an_unmeasured_metric_never_passes(changes: dict[str, Any], reason: str) -> None:
    verdict = judge(**changes)
    assert verdict.outcome is Outcome.UNDECIDED
    assert any(shown.startswith(reason) for shown in verdict.reasons), verdict.reasons


@pytest.mark.parametrize("undecided", list(Undecided))
@pytest.mark.parametrize("slices", [(), ("cold_users",)])
def test_no_word_of_a_policy_lets_an_unmeasured_metric_pass(undecided: Undecided, slices: tuple[str, ...]) -> None:
    policy = replace(POLICY, rules=(replace(NOT_WORSE, undecided=undecided, slices=slices),), not_beaten=())
    users = {"all": 100, "all/cold_users": 100}
    for champion in (
        {},
        {f"all/{name}ndcg@20": replace(compared(0, 1), high=math.nan) for name in ("", "cold_users/")},
    ):
        assert decide(measured(champion=champion, users=users), policy).outcome is Outcome.UNDECIDED


STRADDLES, THIN = compared(-0.07, 0.01), compared(-0.3, 0.25)
"""Enough users to see a loss of 5 %, and too few; the estimate is above -5 % in both."""


@pytest.mark.parametrize(
    ("undecided", "comparison", "outcome"),
    [
        (Undecided.UNDECIDED, STRADDLES, Outcome.UNDECIDED),
        (Undecided.UNDECIDED, THIN, Outcome.UNDECIDED),
        (Undecided.FAILED, STRADDLES, Outcome.FAILED),
        (Undecided.PASSED, STRADDLES, Outcome.PASSED),
        (Undecided.PASSED, compared(-0.2, -0.04), Outcome.PASSED),
        (Undecided.PASSED, compared(-0.2, -0.06), Outcome.FAILED),
        (Undecided.ESTIMATE, THIN, Outcome.PASSED),
        (Undecided.ESTIMATE, compared(-0.4, 0.2), Outcome.UNDECIDED),  # the estimate, too, is below
        (Undecided.ESTIMATE, compared(-0.06, -0.03), Outcome.UNDECIDED),  # users enough to prove it
    ],
)
def test_a_rule_says_what_undecided_counts_as(undecided: Undecided, comparison: Comparison, outcome: Outcome) -> None:
    policy = replace(POLICY, rules=(replace(NOT_WORSE, undecided=undecided),))
    assert judge(policy, champion={NDCG: comparison}).outcome is outcome


def test_nothing_passes_that_the_estimate_alone_would_refuse() -> None:
    """Before there were intervals: value >= champion * (1 - margin), value > baseline * (1 + margin)."""
    draw = random.Random(0)
    for _ in range(2_000):
        undecided = draw.choice([Undecided.UNDECIDED, Undecided.ESTIMATE])
        middle, width = draw.gauss(0, 0.05), abs(draw.gauss(0, 0.1))
        each = compared(middle - width, middle + width * draw.random())
        for rule, key in ((NOT_WORSE, NDCG), (replace(AHEAD, margin=0.01, metrics=(NDCG,)), NDCG)):
            policy = replace(POLICY, rules=(replace(rule, against=CHAMPION, undecided=undecided),))
            if judge(policy, champion={key: each}).outcome is Outcome.PASSED:
                least = each.other * (1 + rule.bound)
                assert each.value >= least if rule.kind is Kind.NON_INFERIORITY else each.value > least


def test_an_undecided_rule_says_how_many_users_would_decide() -> None:
    """Four times the users halve the error: the loss of the margin is then just visible."""
    (reason,) = [each for each in judge(champion={NDCG: THIN}).reasons if "champion" in each]
    assert reason.startswith("undecided: ")
    visible = THIN.visible_loss(0.95)
    assert f"with 1,000 users a loss below {visible:.1%} cannot be seen" in reason
    wanted = THIN.users_to_see(0.05, 0.95)
    assert wanted and f"about {wanted:,} users would decide" in reason
    more = replace(THIN, users=wanted, error=THIN.error * math.sqrt(THIN.users / wanted))
    assert more.visible_loss(0.95) == pytest.approx(0.05, rel=0.001)


@pytest.mark.parametrize("recent", [compared(-0.4, 0.001), compared(-0.08, -0.02)])
def test_a_baseline_too_large_to_be_compared_is_named(recent: Comparison) -> None:
    baselines = {"popularity": {RECALL: compared(0.2, 0.3)}, "recent": {RECALL: recent}}
    verdict = judge(baselines=baselines, left_out=("ease would invert a matrix",))
    (reason,) = [each for each in verdict.reasons if "is beaten by" in each]
    assert reason.endswith("; left out: ease would invert a matrix")


def test_a_failure_outweighs_an_undecided_rule() -> None:
    assert judge(users={"all": 1}, index_recall=0.1).outcome is Outcome.FAILED


def test_the_first_challenger_needs_no_champion() -> None:
    verdict = judge(champion=None, champion_cut=None)
    assert verdict.outcome is Outcome.PASSED
    assert "passed: no champion to compare with" in verdict.reasons


def test_a_champion_of_the_same_cut_is_compared() -> None:
    assert judge(champion_cut=CUT).outcome is Outcome.PASSED


def test_zero_against_zero_is_no_lead_and_no_loss() -> None:
    nothing = Comparison(users=500, value=0.0, other=0.0, error=0.0, low=0.0, high=0.0)
    lead = replace(POLICY, floors={}, not_beaten=(), rules=(replace(AHEAD, margin=0.0),))
    assert judge(lead, baselines={"popularity": {RECALL: nothing}}).outcome is Outcome.FAILED
    loss = replace(POLICY, floors={}, not_beaten=(), rules=(replace(NOT_WORSE, margin=0.0),))
    assert judge(loss, champion={NDCG: nothing}).outcome is Outcome.PASSED


class TestSlices:
    SLICES = ("repeat", "cold_users", "tail_items")
    NAMES = ("repeat/ndcg@20", "all/cold_users/ndcg@20", "all/tail_items/ndcg@20")
    RULE = replace(NOT_WORSE, slices=SLICES, undecided=Undecided.PASSED)
    USERS = {"all": 1_000, "repeat": 500, "all/cold_users": 200, "all/tail_items": 100}  # noqa: RUF012

    def judged(self, *each: Comparison, users: dict[str, int] = USERS, rule: Rule = RULE) -> tuple[Outcome, str]:
        """Outcome and the sentence on the slices."""
        champion = dict(zip(self.NAMES, each, strict=True))
        verdict = judge(replace(POLICY, rules=(rule,)), users=users, champion=champion)
        return verdict.outcome, next(reason for reason in verdict.reasons if "by slice" in reason)

    def test_a_proven_loss_in_one_slice_fails(self) -> None:
        fine, lost = compared(-0.04, 0.1), compared(-0.5, -0.2)
        outcome, reason = self.judged(fine, fine, lost)
        assert outcome is Outcome.FAILED
        assert "cold_users passed at +3.0%" in reason and "tail_items failed at -35.0%" in reason
        assert f"1,000 users a loss below {fine.visible_loss(1 - 0.05 / 3):.1%} cannot be seen; tail_items" in reason

    def test_the_interval_widens_with_the_slices_that_are_judged(self) -> None:
        """Wholly below the margin alone, within it among three."""
        fine, lost = compared(-0.04, 0.1), compared(-0.152, -0.053)
        assert lost.interval(1 - 0.05 / 3)[1] > -0.05 > lost.high
        assert self.judged(fine, fine, lost)[0] is Outcome.PASSED
        alone = {"all": 1_000, "all/tail_items": 100}
        outcome, reason = self.judged(fine, fine, lost, users=alone)
        assert outcome is Outcome.FAILED
        assert "repeat not judged (0 users)" in reason and "(95 % interval" in reason

    @pytest.mark.parametrize("undecided", list(Undecided))
    def test_a_slice_of_few_users_is_not_judged(self, undecided: Undecided) -> None:
        lost = compared(-0.5, -0.2)
        rule = replace(self.RULE, undecided=undecided, slices=("tail_items",))
        outcome, reason = self.judged(lost, lost, lost, users=self.USERS | {"all/tail_items": 99}, rule=rule)
        wanted = {Undecided.PASSED: Outcome.PASSED, Undecided.FAILED: Outcome.FAILED}
        assert outcome is wanted.get(undecided, Outcome.UNDECIDED)
        assert "tail_items not judged (99 users)" in reason

    def test_more_slices_decide_no_more(self) -> None:
        draw = random.Random(1)
        for _ in range(300):
            middle, width = draw.gauss(-0.05, 0.1), abs(draw.gauss(0, 0.1))
            each = compared(middle - width, middle + width)
            bounds = [each.interval(1 - 0.05 / slices) for slices in (1, 2, 5, 20)]
            for (low, high), (lower, higher) in zip(bounds, bounds[1:], strict=False):
                assert lower <= low <= each.effect <= high <= higher


def test_the_order_of_systems_and_rules_changes_nothing() -> None:
    turned = replace(POLICY, rules=POLICY.rules[::-1])
    for changes in ({}, {"index_recall": 0.1}, {"champion": {NDCG: STRADDLES}}):
        found = measured(**changes)
        swapped = replace(found, baselines=dict(reversed(found.baselines.items())))
        assert decide(found, POLICY).outcome is decide(swapped, turned).outcome
        assert sorted(decide(found, POLICY).reasons)[0] in decide(found, turned).reasons


def test_verdicts_survive_storage() -> None:
    policy = replace(POLICY, text="level: 0.95")
    for verdict in (judge(), judge(policy, index_recall=0.0), judge(users={"all": 1})):
        assert Verdict.from_json(verdict.to_json()) == verdict
    assert judge(policy).policy == PolicyText(text="level: 0.95", sha256=policy.sha256)
    with pytest.raises(ValueError, match="splendid"):
        Verdict.from_json('{"outcome": "splendid", "reasons": []}')


def test_a_verdict_of_before_there_were_policies_in_it_is_read() -> None:
    assert Verdict.from_json('{"outcome": "passed", "reasons": ["passed: all"]}').policy is None
