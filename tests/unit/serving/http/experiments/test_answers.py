"""Answers of an experiment: each user by the own variant, and never worse than the champion."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import chisquare

from serving.experiments.definition import CONTROL, Design, Variant
from serving.http import backoff
from tests.unit.serving.http.experiments.trial_world import EXPERIMENT, Trial, ids, ids_of, in_trial
from tests.unit.serving.http.service_world import items_of

USERS = [f"user{n}" for n in range(40)]
LIST = {"now": ids_of(1), "seven": ids_of(7)}
VERSION = {"now": 1, "seven": 7}
INTERLEAVED = replace(EXPERIMENT, design=Design.INTERLEAVED)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between tries of a hundredth of a second."""
    monkeypatch.setattr(backoff.Backoff.__init__, "__kwdefaults__", {"first": 0.01, "longest": 0.02})


def test_each_user_of_a_request_has_the_own_variant_and_one_exposure(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7)
        answers = await trial.ask(*USERS, USERS[0])
        for user, answer in zip([*USERS, USERS[0]], answers, strict=True):
            variant = answer["variant"]
            assert (answer["user_id"], answer["experiment"]) == (user, "newer")
            assert (answer["version"], ids(answer)) == (VERSION[variant], LIST[variant])
        assert {answer["variant"] for answer in answers} == {"now", "seven"}
        kept = await trial.kept(len(USERS))
        assert [(each.user_id, each.variant, list(each.items)) for each in kept] == [
            (user, answer["variant"], ids(answer)) for user, answer in zip(USERS, answers, strict=False)
        ]
        assert {(each.request_id, each.propensity, each.timestamp) for each in kept} == {("r", 0.5, trial.now)}
        await trial.until(lambda: trial.count("exposures", "known") == 1)
        assert trial.count("exposures", "kept") == len(USERS)
        by_variant = Counter(answer["variant"] for answer in answers)
        assert {name: trial.count("variant_answers", "newer", name) for name in by_variant} == by_variant

    in_trial(story, EXPERIMENT, tmp_path)


def test_equal_variants_have_equal_shares_and_users_keep_theirs(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7)
        users = [f"person{n}" for n in range(4_000)]
        first = {each["user_id"]: each["variant"] for each in await trial.ask(*users)}
        assert chisquare(list(Counter(first.values()).values())).pvalue > 0.001
        raised = replace(EXPERIMENT.variants[1], weight=3.0)
        trial.definitions.experiment = replace(EXPERIMENT, variants=(EXPERIMENT.variants[0], raised))
        for request in ("second", "third"):
            again = {each["user_id"]: each["variant"] for each in await trial.ask(*users, request_id=request)}
            assert all(again[user] == "seven" for user, variant in first.items() if variant == "seven")
            counts = Counter(again.values())
            assert chisquare([counts["now"], counts["seven"]], [1_000, 3_000]).pvalue > 0.001

    in_trial(story, EXPERIMENT, tmp_path, queue_users=10_000)


def test_the_control_is_popular_items_of_the_champions_engine(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready()
        answers = await trial.ask(*USERS)
        popular = [each for each in answers if each["variant"] == "plain"]
        assert {(each["source"], *ids(each)) for each in popular} == {("popular", "item4", "item3", "item2")}
        assert len(await trial.kept(len(USERS))) == len(USERS)

    control = Variant(name="plain", serves=CONTROL, weight=1.0)
    in_trial(story, replace(EXPERIMENT, variants=(EXPERIMENT.variants[0], control)), tmp_path)


@pytest.mark.parametrize("ended", ["refused", "killed", "too many"])
def test_without_its_engine_the_users_of_a_variant_get_the_champion_flagged(tmp_path: Path, ended: str) -> None:
    async def story(trial: Trial) -> None:
        if ended == "killed":
            await trial.ready(7)
            trial.engine(7).die()
        if ended != "too many":
            trial.refused[7] = "its verdict is failed"
        await trial.serves(1)
        await trial.until(lambda: "variants" in trial.experiments.problems)
        answers = await trial.ask(*USERS)
        assert {(each["version"], *ids(each)) for each in answers} == {(1, *ids_of(1))}
        for each in answers:
            assert list(each["flags"]) == ([] if each["variant"] == "now" else ["fallback"])
        seven = [each for each in answers if each["variant"] == "seven"]
        assert "variant seven: version 7 does not serve" in seven[0]["flags"]["fallback"]
        kept = await trial.kept(len(USERS) - len(seven))
        assert {each.variant for each in kept} == {"now"}
        assert trial.count("variant_degraded", "newer", "seven") == len(seven)
        reason = {"refused": "its verdict is failed", "killed": "", "too many": "at most 1 may be"}[ended]
        await trial.until(lambda: reason in trial.experiments.problems["variants"])
        assert any(reason in line for line in trial.said)
        if ended == "too many":
            assert trial.lanes.versions == (6,)
        if ended == "killed":
            trial.refused.clear()
            await trial.ready(7)
            assert all(each["flags"] == {} for each in await trial.ask(*USERS, request_id="later"))
            assert trial.experiments.problems == {}

    variants = EXPERIMENT.variants
    if ended == "too many":
        variants = (variants[0], Variant(name="six", serves=6, weight=1e-9), variants[1])
    in_trial(story, replace(EXPERIMENT, variants=variants), tmp_path, variant_engines=1 if ended == "too many" else 3)


def test_an_engine_that_dies_with_a_question_leaves_the_champions_answer(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7)
        trial.engine(7).hold()
        asked = asyncio.create_task(trial.ask(*USERS))
        await trial.until(lambda: trial.engine(7).batches)
        trial.engine(7).die()
        answers = await asked
        assert {each["version"] for each in answers} == {1}
        assert {"fallback" in each["flags"] for each in answers if each["variant"] == "seven"} == {True}

    in_trial(story, EXPERIMENT, tmp_path)


def test_a_variant_that_hangs_leaves_the_champions_answer(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7)
        trial.engine(7).hold()
        answers = await trial.ask(*USERS)
        assert {each["version"] for each in answers} == {1}
        flags = {each["variant"]: each["flags"].get("fallback", "") for each in answers}
        assert flags == {"now": "", "seven": "variant seven: no answer within 0.05 s: the champion's answer"}
        trial.engine(7).release()
        assert {each["version"] for each in await trial.ask(*USERS, request_id="later")} == {1, 7}

    in_trial(story, EXPERIMENT, tmp_path, variant_seconds=0.05)


def test_an_error_of_a_variant_is_answered_by_the_champion_and_its_own_error_is_told(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7)
        answers = await trial.ask("broken", *USERS)
        assert answers[0]["error"]["position"] == 7
        assert "experiment" not in answers[0]
        broken = trial.engine(7)
        broken._answer = lambda _: {"error": {"status": 422, "message": "no field 'colour'"}}  # type: ignore[method-assign]
        answers = await trial.ask(*USERS, request_id="next")
        assert {each["version"] for each in answers} == {1}
        assert {"its answer is an error" in each["flags"].get("fallback", "") for each in answers} == {True, False}
        wanted = len(USERS) + sum(each["variant"] == "now" for each in answers)
        assert len(await trial.kept(wanted)) == wanted

    in_trial(story, EXPERIMENT, tmp_path)


def test_degraded_answers_are_no_exposure(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7)
        answer = trial.engine(7)._answer
        trial.engine(7)._answer = lambda each: answer(each) | {"flags": {"degraded": "the store is away"}}  # type: ignore[method-assign]
        answers = await trial.ask(*USERS)
        degraded = sum("degraded" in each["flags"] for each in answers)
        assert {each.variant for each in await trial.kept(len(USERS) - degraded)} == {"now"}
        assert trial.count("variant_degraded", "newer", "seven") == degraded > 0

    in_trial(story, EXPERIMENT, tmp_path)


def test_interleaved_answers_have_items_of_both_and_are_the_same_for_the_same_request(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7)
        answers = await trial.ask(*USERS, k=4)
        assert answers == await trial.ask(*USERS, k=4)
        first = set()
        for kept, each in zip(await trial.kept(len(USERS)), answers, strict=True):
            assert (each["variant"], each["source"]) == ("interleaved", "interleaved")
            assert kept.teams == tuple(item["variant"] for item in each["items"])
            assert (kept.variant, kept.propensity, list(kept.items)) == ("interleaved", 1.0, ids(each))
            assert len(set(ids(each))) == 4
            assert Counter(kept.teams) == {"now": 2, "seven": 2}
            for item in each["items"]:  # each has the score of the list that it was picked from
                own = next(found for found in own_lists[item["variant"]] if found["item_id"] == item["item_id"])
                assert item["score"] == own["score"]
            first.add(kept.teams[0])
        assert first == {"now", "seven"}
        assert answers != await trial.ask(*USERS, k=4, request_id="other")

    own_lists = {"now": items_of(1), "seven": items_of(7)}
    in_trial(story, INTERLEAVED, tmp_path)


def test_an_interleaved_answer_without_one_variant_is_the_champions_and_no_exposure(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        trial.refused[7] = "a file was changed"
        await trial.serves(1)
        await trial.until(lambda: "variants" in trial.experiments.problems)
        (answer,) = await trial.ask("anna")
        assert (ids(answer), answer["version"]) == (ids_of(1), 1)
        assert "a file was changed" in answer["flags"]["fallback"]
        assert trial.count("variant_degraded", "newer", "interleaved") == 1

    assert in_trial(story, INTERLEAVED, tmp_path).exposures() == []


def test_a_variant_that_is_promoted_keeps_one_engine(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7)
        beside = trial.engine(7)
        trial.champion = 7
        await trial.serves(7)
        await trial.until(lambda: beside.is_ended)
        assert {each["version"] for each in await trial.ask(*USERS)} == {7}
        assert trial.lanes.versions == ()

    in_trial(story, EXPERIMENT, tmp_path)


def test_before_and_after_an_experiment_the_champion_answers_alone(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7)
        trial.now = EXPERIMENT.end
        assert "experiment" not in (await trial.ask("anna"))[0]
        await trial.until(lambda: trial.lanes.versions == () and trial.engine(7).is_ended)
        trial.now = EXPERIMENT.start
        await trial.ready(7)

    assert in_trial(story, EXPERIMENT, tmp_path).exposures() == []
