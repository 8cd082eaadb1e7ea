"""Policies: the shipped one, its keys, those of before, and mistakes in them."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import serving
from serving.gate.comparison import Comparison
from serving.gate.measured import Measured
from serving.gate.metric_names import MEASURED, SLICES
from serving.gate.parity import Parity
from serving.gate.policy import CHAMPION, Kind, Policy, Rule, Undecided
from serving.gate.policy_file import read_policy
from serving.gate.rules import decide
from serving.gate.sanity import MEASURES
from serving.gate.verdict import Outcome
from training.evaluation.evaluate import evaluate_systems
from training.evaluation.holdout import ITEM_GROUPS, Holdout, item_sets
from training.retrieval.exact import score_search

CUT = datetime(2024, 1, 1)
SAME_ONLINE = Parity(users=100, features={"age": 0}, lists=0, k=20)
SANE: dict[str, float | None] = dict.fromkeys(MEASURES, 0.0) | {"item_rank": 9.0, "user_rank": 9.0}
METRICS = ("all/recall@20", "all/ndcg@20")
TEXT = """
superiority: [{against: als, metrics: [all/recall@20], margin: 0.5}]
non_inferiority: [{against: champion, metrics: [all/recall@20], margin: 0.1, undecided: passed}]
index_recall: 0.9
min_holdout_users: 5
"""
EARLIER = """
margins: [{baseline: als, metrics: [all/recall@20]}]
regression: {metrics: [all/recall@20], max_drop: 0.1}
index_recall: 0.9
min_holdout_users: 5
"""


def read(folder: Path, text: str) -> Policy:
    path = folder / "gate.yaml"
    path.write_text(text)
    return read_policy(path)


def at(effect: float, width: float = 0.005, users: int = 2_000) -> Comparison:
    value, error = 0.1 * (1 + effect), 0.1 * width / 1.96
    return Comparison(users=users, value=value, other=0.1, error=error, low=effect - width, high=effect + width)


WINDOWS = {f"all/window_{n}_of_3/recall@20": at(0.001) for n in (1, 2, 3)}


def shipped(**changes: float) -> Outcome:
    """Outcome of the shipped policy, with the lead over one system, or in one window, changed."""
    leads = {"popularity": 1.0, "als": 0.5, "recent": 0.1, CHAMPION: 0.001} | changes
    found = {name: {metric: at(lead) for metric in METRICS} for name, lead in leads.items() if name not in WINDOWS}
    champion = found.pop(CHAMPION) | WINDOWS | {name: at(changes[name]) for name in WINDOWS if name in changes}
    measured = Measured(
        metrics={},
        users={"all": 2_000} | {name.rsplit("/", 1)[0]: 2_000 for name in WINDOWS},
        baselines=found,
        champion=champion,
        index_recall=1.0,
        cut=CUT,
        champion_cut=CUT,
        parity=SAME_ONLINE,
        sanity=SANE,
        drift={},
    )
    return decide(measured, read_policy()).outcome


def test_the_shipped_policy_wants_a_lead_over_popularity_and_als_no_better_baseline_and_no_loss() -> None:
    assert shipped() is Outcome.PASSED
    assert shipped(champion=-0.01) is Outcome.PASSED
    for lost in ({"popularity": -0.01}, {"als": -0.01}, {"recent": -0.01}, {"champion": -0.03}):
        assert shipped(**lost) is Outcome.FAILED
    assert shipped(champion=-0.018) is Outcome.UNDECIDED


def test_the_shipped_policy_stops_a_proven_loss_in_a_slice() -> None:
    policy = read_policy()
    (guard,) = [rule for rule in policy.rules if rule.slices]
    assert (guard.against, guard.undecided) == (CHAMPION, Undecided.PASSED)
    compared = {name: at(0.001) for metric in guard.metrics for name in guard.names(metric).values()}
    compared |= WINDOWS | {metric: at(0.001) for metric in METRICS}
    users = {name.rsplit("/", 1)[0]: 500 for name in compared}
    baselines = {name: {metric: at(1.0) for metric in METRICS} for name in ("popularity", "als")}
    for lost, outcome in ((0.0, Outcome.PASSED), (-0.2, Outcome.FAILED)):
        measured = Measured(
            metrics={},
            users=users,
            baselines=baselines,
            champion=compared | {"all/tail_items/recall@20": at(lost)},
            index_recall=1.0,
            cut=CUT,
            champion_cut=CUT,
            parity=SAME_ONLINE,
            sanity=SANE,
            drift={},
        )
        assert decide(measured, policy).outcome is outcome


def test_the_shipped_policy_stops_a_proven_loss_in_a_window() -> None:
    """That of the whole hold-out is within the margin."""
    last = list(WINDOWS)[-1]
    assert shipped(**{last: -0.1}) is Outcome.FAILED
    assert shipped(**{last: -0.04}) is Outcome.PASSED


def test_the_slices_of_a_policy_are_those_that_are_measured() -> None:
    sets = item_sets(np.arange(3), np.arange(3), (3, 3))
    holdout = Holdout(
        users_Q=np.arange(3),
        relevant=sets,
        seen=sets,
        seen_items_may_return=True,
        history_sizes_Q=np.arange(3),
        popularity_N=np.arange(3),
    )
    assert set(SLICES) == {*holdout.user_slices(), *ITEM_GROUPS, *holdout.views()} - {"all"}


def test_the_metrics_of_a_policy_are_those_that_are_measured() -> None:
    rng = np.random.default_rng(0)
    before, after = ((rng.integers(0, 200, n), rng.integers(0, 120, n) ** 2 // 119) for n in (1_000, 2_000))
    holdout = Holdout.from_interactions(before=before, after=after, items=120, seen_items_may_return=True)
    scores = rng.random((len(holdout.users_Q), 120)).astype(np.float32)
    search = score_search(lambda rows: scores[rows].copy())
    measured = evaluate_systems([("own", search)], holdout, corpora={"whole": None}, seed=0)["whole"]["own"]
    assert measured.metrics.keys() == set(MEASURED)


def test_a_policy_is_read_from_a_file(tmp_path: Path) -> None:
    policy = read(tmp_path, TEXT)
    ahead = Rule(kind=Kind.SUPERIORITY, against="als", metrics=("all/recall@20",), margin=0.5)
    close = Rule(
        kind=Kind.NON_INFERIORITY,
        against=CHAMPION,
        metrics=("all/recall@20",),
        margin=0.1,
        undecided=Undecided.PASSED,
    )
    assert policy.rules == (ahead, close)
    assert (policy.min_holdout_users, policy.floors, policy.baselines) == (5, {}, {"als"})
    assert (policy.text, policy.sha256) == (TEXT, hashlib.sha256(TEXT.encode()).hexdigest())


def test_the_keys_of_before_are_read_as_rules_that_the_estimate_may_decide(tmp_path: Path) -> None:
    ahead, close = read(tmp_path, EARLIER).rules
    assert (ahead.kind, ahead.against, ahead.margin, ahead.undecided) == (
        Kind.SUPERIORITY, "als", 0.0, Undecided.ESTIMATE,
    )  # fmt: skip
    assert (close.kind, close.against, close.margin, close.undecided) == (
        Kind.NON_INFERIORITY, CHAMPION, 0.1, Undecided.ESTIMATE,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("index_recall: 0.9", "index_recall: 9", "index_recall is 9, wanted a number from 0 to 1"),
        ("index_recall: 0.9", "index_recall: .nan", "index_recall is nan"),
        ("index_recall: 0.9", "index_recall: true", "index_recall is True"),
        ("index_recall: 0.9", "", "index_recall"),
        ("index_recall", "index_recal", "index_recal"),
        ("min_holdout_users: 5", "min_holdout_users: 0", "min_holdout_users is 0"),
        ("min_holdout_users: 5", "min_holdout_users: 5\nmin_slice_users: 3", "min_slice_users is 3"),
        ("min_holdout_users: 5", "min_holdout_users: 5\nlevel: 95", "level is 95"),
        ("min_holdout_users: 5", "floors: {all/recall@20: 2}\nmin_holdout_users: 5", "floor of all/recall@20 is 2"),
        ("min_holdout_users: 5", "floors: {all/hti@20: 0.1}\nmin_holdout_users: 5", "did you mean all/hit@20?"),
        ("min_holdout_users: 5", "floors: {all/hit@15: 0.1}\nmin_holdout_users: 5", "has all/hit@15; wanted recall"),
        ("min_holdout_users: 5", "floors: {all/tail_items/mrr@10: 0}\nmin_holdout_users: 5", "no evaluation has"),
        ("[all/recall@20], margin: 0.5", "[all/recall@15]", "of a view at 10, 20 or 100, like all/recall@20"),
        ("margin: 0.1", "margin: 1.0", "margin is 1.0, which no challenger can miss; wanted less than 1"),
        ("margin: 0.5", "margin: -1", "margin is -1, which no challenger can miss; wanted more than -1"),
        (
            "min_holdout_users: 5",
            "min_holdout_users: 5\nsanity: {gini: {at_most: 1}}\nsanity: {}",
            "sanity in line 7 is there already, in line 6; wanted it once",
        ),
        ("margin: 0.1, ", "margin: 0.1, margin: 0.9, ", "margin in line 3 is there already, in line 3"),
        ("min_holdout_users: 5", "min_holdout_users: 5\nparity: 100", "parity is 100, wanted true or false"),
        ("min_holdout_users: 5", "min_holdout_users: 5\nsanity: {gini: 1}", "sanity: gini is 1, wanted at_least"),
        ("margin: 0.5", "margin: lots", "superiority against als: margin is 'lots'"),
        ("margin: 0.1, ", "", "non_inferiority against champion: margin is missing"),
        ("margin: 0.1", "margin: -0.1", "non_inferiority against champion: margin is -0.1"),
        ("undecided: passed", "undecided: maybe", "undecided is 'maybe', wanted one of undecided, failed, passed"),
        (
            "undecided: passed",
            "slices: [cold_user]",
            "unknown slice cold_user; known are repeat, discovery, cold_users",
        ),
        ("metrics: [all/recall@20], margin: 0.5", "metrics: [all/hit@20]", "all/hit@20 has no interval over users"),
        ("metrics: [all/recall@20], margin: 0.5", "metrics: all/recall@20", "'all/recall@20', wanted a list"),
        ("metrics: [all/recall@20], margin: 0.5", "margin: 0.5", "superiority against als: metrics is missing"),
        ("against: als, ", "", "against is missing"),
        ("champion", "als", "no rule compares a whole view with the champion; write non_inferiority: ["),
        ("undecided: passed", "slices: [cold_users]", "no rule compares a whole view with the champion"),
        ("superiority: [", "superiority: [[", "gate.yaml"),
        (TEXT, "", "gate.yaml"),
    ],
)
def test_a_policy_that_cannot_be_used_is_refused(tmp_path: Path, old: str, new: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"(?s)gate policy .*gate\.yaml.*; serving/gate\.yaml shows") as caught:
        read(tmp_path, TEXT.replace(old, new))
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("max_drop: 0.1", "max_drop: -0.1", "margin is -0.1"),
        ("max_drop: 0.1", "max_dorp: 0.1", "max_dorp"),
        ("baseline: als", "baselin: als", "baselin"),
        ("metrics: [all/recall@20], max_drop", "max_drop", "metrics is missing"),
    ],
)
def test_a_mistake_in_the_keys_of_before_is_refused(tmp_path: Path, old: str, new: str, problem: str) -> None:
    with pytest.raises(ValueError, match="gate policy") as caught:
        read(tmp_path, EARLIER.replace(old, new))
    assert problem in str(caught.value)


def test_the_shipped_policy_is_the_file_of_the_package() -> None:
    text = (Path(serving.__file__).parent / "gate.yaml").read_text()
    assert read_policy().text == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [("", "got NoneType"), ("[rules]", "got list"), ("1: 2", "wanted keys with values"), ("[" * 3000, "too deeply")],
)
def test_what_is_no_policy_at_all_is_refused_in_words(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ValueError, match="gate policy") as caught:
        read(tmp_path, text)
    assert problem in str(caught.value)
