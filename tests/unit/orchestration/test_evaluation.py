"""Measurement on a hold-out, and the gate's use of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

from orchestration import evaluation
from orchestration.asset_values import Index, Source, Version
from orchestration.drift import Drift
from orchestration.evaluated import CHAMPION, TWO_TOWER, Evaluated
from orchestration.evaluation import corpora_of
from orchestration.holdout_window import Window
from orchestration.seed_noise import SeedNoise
from orchestration.verdict import judge as verdict_on
from serving.gate.drift import Drifted, DriftLimits
from serving.gate.latency import Latency
from serving.gate.parity import Parity
from serving.gate.policy import Kind, Policy, Rule, Undecided
from serving.gate.sanity import Bounds
from serving.gate.verdict import Outcome
from training.baselines import BASELINES, Log
from training.evaluation.comparison import Comparison
from training.evaluation.drift import Profile
from training.evaluation.holdout import Holdout
from training.evaluation.result import Evaluation

CUT = datetime(2024, 3, 1)
RECALL = "all/recall@20"
POLICY = Policy(
    rules=(
        Rule(kind=Kind.SUPERIORITY, against="popularity", metrics=(RECALL,)),
        Rule(kind=Kind.NON_INFERIORITY, against=CHAMPION, metrics=(RECALL,), margin=0.1, undecided=Undecided.ESTIMATE),
    ),
    index_recall=0.9,
    min_holdout_users=10,
    parity=False,
)
DRIFT = Drift(
    against="their own",
    features={"user age": Drifted(index=0.9, chance=0.1)},
    profiles={"user age": Profile(rows=3, edges=(1.0, 2.0), counts={"0": 1, "1": 2})},
)
SEEDS = SeedNoise(versions=[1, 2], ranges={RECALL: [0.4, 0.5]})
LATENCY = Latency(searches=100, p50_ms=[0.2, 0.1], p99_ms=[0.9, 0.5], machine="host (4 cores)")
PARITY = Parity(users=100, features={"age": 0, "history_items": 7}, lists=2, k=20)


def one_system(recall: float) -> Evaluation:
    return Evaluation(
        metrics={RECALL: recall},
        intervals={RECALL: (recall - 0.01, recall + 0.01)},
        ceilings={RECALL: 1.0},
        repeat_share=0.5,
        users={"all": 50},
        curves={"all": [0.0, recall]},
    )


def beside(recall: float, *, own: float) -> Evaluation:
    """Another system, in which the version's lead is known to a hundredth of its value."""
    lead = own / recall - 1
    each = Comparison(users=50, value=own, other=recall, error=0.005 * recall, low=lead - 0.01, high=lead + 0.01)
    return replace(one_system(recall), comparisons={RECALL: each})


def measured(recalls: Mapping[str, float], **more: object) -> Evaluated:
    own = recalls.get(TWO_TOWER, 0.5)
    plain = Evaluated(
        systems={
            name: one_system(recall) if name == TWO_TOWER else beside(recall, own=own)
            for name, recall in recalls.items()
        },
        core={},
        core_items=0,
        items=100,
        index_recall=1.0,
        index_users=50,
        champion=None,
        champion_cut=None,
        champion_note=None,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def test_an_evaluation_survives_its_json() -> None:
    first = measured(
        {TWO_TOWER: 0.5, CHAMPION: 0.4},
        champion=3,
        champion_cut=CUT,
        champion_note="a note",
        notes=("left out",),
        left_out=("ease is too large",),
        latency=LATENCY,
        parity=PARITY,
        sanity={TWO_TOWER: {"coverage": 0.5, "list_similarity": None}},
        drift=DRIFT,
        seeds=SEEDS,
    )
    text = first.to_json()
    again = Evaluated.from_json(text)
    assert again.to_json() == text
    assert (again.champion, again.champion_cut, again.champion_note) == (3, CUT, "a note")
    assert (again.notes, again.left_out) == (("left out",), ("ease is too large",))
    assert again.latency == LATENCY
    assert again.parity == PARITY
    assert again.drift == DRIFT
    assert str(again.seeds) == str(SEEDS)
    assert again.sanity == first.sanity
    assert again.systems[TWO_TOWER].metrics == {RECALL: 0.5}
    assert again.systems[TWO_TOWER].intervals == {RECALL: (0.49, 0.51)}
    assert again.systems[CHAMPION].comparisons == first.systems[CHAMPION].comparisons != {}


def test_an_evaluation_of_before_there_were_comparisons_is_read_and_decides_nothing() -> None:
    found = measured({TWO_TOWER: 0.5, "popularity": 0.2, CHAMPION: 0.5}, champion=1, champion_cut=CUT)
    raw = json.loads(found.to_json())
    for system in raw["systems"].values():
        del system["comparisons"]
    verdict = verdict_on(Evaluated.from_json(json.dumps(raw)), CUT, POLICY)
    assert verdict.outcome is Outcome.UNDECIDED
    assert f"undecided: {RECALL} against popularity: not measured, lead of more than 0.0% wanted" in verdict.reasons


def test_what_differs_online_fails() -> None:
    policy, fine = replace(POLICY, parity=True), replace(PARITY, features={"age": 0}, lists=0)
    for parity, outcome in ((fine, Outcome.PASSED), (PARITY, Outcome.FAILED), (None, Outcome.UNDECIDED)):
        found = measured({TWO_TOWER: 0.5, "popularity": 0.2}, parity=parity)
        assert verdict_on(found, CUT, policy).outcome is outcome


def test_a_searcher_that_is_too_slow_fails() -> None:
    policy = replace(POLICY, latency={"p99_ms": 0.5})
    slow = replace(LATENCY, p99_ms=[0.9, 0.6])
    for latency, outcome in ((LATENCY, Outcome.PASSED), (slow, Outcome.FAILED), (None, Outcome.UNDECIDED)):
        found = measured({TWO_TOWER: 0.5, "popularity": 0.2}, latency=latency)
        assert verdict_on(found, CUT, policy).outcome is outcome


def test_the_sanity_of_the_version_is_judged_and_not_that_of_a_baseline() -> None:
    policy = replace(POLICY, sanity={"coverage": Bounds(at_least=0.5)})
    for own, outcome in ((0.6, Outcome.PASSED), (0.4, Outcome.FAILED), (None, Outcome.UNDECIDED)):
        sanity = {"popularity": {"coverage": 0.0 if own == 0.6 else 1.0}}
        sanity |= {TWO_TOWER: {"coverage": own}} if own else {}
        found = measured({TWO_TOWER: 0.5, "popularity": 0.2}, sanity=sanity)
        assert verdict_on(found, CUT, policy).outcome is outcome


def test_a_drift_fails_where_the_policy_says_so() -> None:
    for limits, outcome in (
        (DriftLimits(note=0.25), Outcome.PASSED),
        (DriftLimits(note=0.25, fail=0.5), Outcome.FAILED),
        (DriftLimits(note=0.25, fail=0.85), Outcome.PASSED),
    ):
        found = measured({TWO_TOWER: 0.5, "popularity": 0.2}, drift=DRIFT)
        verdict = verdict_on(found, CUT, replace(POLICY, drift=limits))
        assert verdict.outcome is outcome
        assert "against their own: user age 0.90 (0.10 by chance)" in verdict.reasons[-1]


def test_the_first_version_needs_no_champion() -> None:
    assert verdict_on(measured({TWO_TOWER: 0.5, "popularity": 0.2}), CUT, POLICY).outcome is Outcome.PASSED


def test_a_champion_that_is_better_is_not_replaced() -> None:
    found = measured({TWO_TOWER: 0.5, "popularity": 0.2, CHAMPION: 0.6}, champion=1, champion_cut=CUT)
    assert verdict_on(found, CUT, POLICY).outcome is Outcome.FAILED


def test_a_champion_that_could_not_be_measured_leaves_it_undecided() -> None:
    found = measured({TWO_TOWER: 0.5, "popularity": 0.2}, champion=1, champion_cut=CUT, champion_note="old features")
    assert "undecided: old features" in (verdict := verdict_on(found, CUT, POLICY)).reasons
    assert verdict.outcome is Outcome.UNDECIDED


def test_a_champion_that_has_seen_the_hold_out_leaves_it_undecided() -> None:
    later = CUT + timedelta(days=1)
    found = measured({TWO_TOWER: 0.5, "popularity": 0.2, CHAMPION: 0.4}, champion=1, champion_cut=later)
    assert verdict_on(found, CUT, POLICY).outcome is Outcome.UNDECIDED


def test_a_baseline_that_was_not_measured_is_no_pass() -> None:
    assert verdict_on(measured({TWO_TOWER: 0.5}), CUT, POLICY).outcome is Outcome.UNDECIDED


def test_baselines_learn_only_from_what_was_known_before_the_cut() -> None:
    """One of three events is after the cut, one before it became known after it."""
    day = timedelta(days=1)
    events = pl.DataFrame(
        {
            "user_id": ["a", "b", "b"],
            "item_id": ["x", "y", "z"],
            "timestamp": [CUT - 2 * day, CUT - day, CUT],
            "created": [CUT - 2 * day, CUT + day, CUT],
        }
    )
    log = Log.before(events, pl.Series(["a", "b"]), pl.Series(["x", "y", "z"]), CUT)
    assert (log.user_rows.tolist(), log.item_rows.tolist(), log.days.tolist()) == ([0], [0], [2.0])


def two_users(folder: Path, cut: datetime, **times: datetime) -> tuple[Index, Any]:
    """A version whose two users take two items before and after the cut, and its tables.

    Args:
        folder: folder of its training set.
        cut: start of the hold-out.
        times: further times of its source.
    """
    day = timedelta(days=1)
    events = pl.DataFrame(
        {
            "user_id": ["a", "a", "b", "b"],
            "item_id": ["x", "y", "y", "x"],
            "timestamp": [cut - day, cut, cut + day, cut + 9 * day],
            "created": [cut - day, cut, cut + day, cut + 9 * day],
        }
    )
    users = pl.DataFrame({"user_id": ["b", "a", "a"], "event_timestamp": [cut, cut, cut - day], "value": [1, 2, 3]})
    items = pl.DataFrame({"item_id": ["x", "y", "x"], "event_timestamp": [cut - 2 * day, cut - 2 * day, cut]})
    users.write_parquet(folder / "queries.parquet")
    items.write_parquet(folder / "item_snapshots.parquet")
    source = Source(dataset="shop", folder=folder, sha256="", validation_start=cut - 9 * day, cut=cut, **times)
    version = Version(source=source, frames=folder, version=1, reused=False)
    schema = SimpleNamespace(seen_items_may_return=True, features_of=lambda _: ())
    return Index(version=version, embeddings=folder, collection=""), SimpleNamespace(events=events, schema=schema)


def test_a_window_stands_at_the_cut(tmp_path: Path) -> None:
    """Users as of the cut, items as of its Monday, histories before it, relevant items until the newest data."""
    cut, day = datetime(2024, 3, 6), timedelta(days=1)  # a Wednesday
    index, tables = two_users(tmp_path, cut, as_of=cut + 2 * day)
    window = Window.of(index, tables, max_users=10)
    assert window.asked["value"].to_list() == [2, 1]
    assert window.corpus["item_id"].to_list() == ["x", "y"]
    assert window.holdout.relevant.toarray().tolist() == [[0, 1], [0, 1]]
    assert window.holdout.seen.toarray().tolist() == [[1, 0], [0, 0]]
    assert (window.before.user_rows.tolist(), window.before.item_rows.tolist()) == ([0], [0])
    drawn = [Window.of(index, tables, max_users=1).holdout.users_Q.tolist() for _ in range(2)]
    assert len(drawn[0]) == 1 and drawn[0] == drawn[1]  # by no seed of a run


def test_windows_part_the_hold_out_and_not_what_became_known_after_it(tmp_path: Path) -> None:
    cut, day = datetime(2024, 3, 6), timedelta(days=1)
    index, tables = two_users(tmp_path, cut, end=cut + 2 * day, as_of=cut + 60 * day)
    window = Window.of(index, tables, max_users=10)
    assert window.holdout.relevant.toarray().tolist() == [[0, 1], [0, 1]]
    first, second = (each.toarray().tolist() for each in window.slices(index, tables, (), 2).windows)
    assert (first, second) == ([[0, 1], [0, 0]], [[0, 0], [0, 1]])


def test_the_champion_is_no_baseline() -> None:
    """A challenger that is as good but for chance may replace it: the rule against the champion decides that."""
    own = {TWO_TOWER: 0.5, "popularity": 0.2}
    found = measured(own | {CHAMPION: 0.52}, champion=1, champion_cut=CUT)
    policy = replace(POLICY, not_beaten=(RECALL,))
    assert verdict_on(found, CUT, policy).outcome is Outcome.PASSED
    beaten = measured(own | {CHAMPION: 0.52, "recent": 0.52}, champion=1, champion_cut=CUT)
    assert verdict_on(beaten, CUT, policy).outcome is Outcome.FAILED


def test_a_baseline_that_is_too_large_is_named_by_the_rule() -> None:
    found = measured({TWO_TOWER: 0.5, "popularity": 0.2}, left_out=("ease is too large",))
    verdict = verdict_on(found, CUT, replace(POLICY, not_beaten=(RECALL,)))
    assert any(reason.endswith("; left out: ease is too large") for reason in verdict.reasons)


def test_the_core_corpus_is_what_ten_users_had() -> None:
    """Ten purchases by nine users are not enough."""
    users, items = [*range(10), *range(9), 8], [0] * 10 + [1] * 10
    log = evaluation.Log(user_rows=np.array(users), item_rows=np.array(items), days=np.zeros(20), users=10, items=3)
    assert evaluation._core(log).tolist() == [True, False, False]


def test_baselines_that_were_not_measured_are_noted() -> None:
    asked = [name for name in BASELINES if name not in ("als", "tifu_knn")]
    assert evaluation._notes(BASELINES, {}) == ()
    assert evaluation._notes(asked, {"ease": "too large"}) == (
        "Baselines not asked for: als, tifu_knn.",
        "Baseline left out: too large.",
    )


def test_a_core_that_nobody_takes_from_after_the_cut_is_left_out() -> None:
    """It would end the evaluation, after the training."""
    before, after = (np.array([0, 1, 1]), np.array([0, 0, 1])), (np.array([0, 1]), np.array([2, 2]))
    holdout = Holdout.from_interactions(before=before, after=after, items=3, seen_items_may_return=True)
    assert corpora_of(holdout, np.array([True, False, False])) == {"whole": None}
    assert corpora_of(holdout, np.array([False, False, False])) == {"whole": None}
    assert corpora_of(holdout, np.array([False, False, True])).keys() == {"whole", "core"}
