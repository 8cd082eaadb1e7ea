"""Comparisons with shadows: after the answer, bounded, and right about who agrees."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from serving.experiments.definition import Design, Variant
from serving.http.experiments import comparisons
from tests.unit.serving.http.experiments.trial_world import EXPERIMENT, WITH_SHADOW, Trial, ids_of, in_trial

USERS = [f"user{n}" for n in range(20)]
LIKE_SEVEN = replace(WITH_SHADOW, shadows=(*WITH_SHADOW.shadows, Variant(name="like_seven", serves=12, weight=0.0)))
"""Version 12 has the list of version 7."""


def test_an_exposure_tells_the_probability_of_its_answer_and_who_agrees(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7, 8, 12)
        await trial.ask(*USERS)
        for each in await trial.kept(len(USERS)):
            agreeing = ("like_seven",) if each.variant == "seven" else ()
            assert (each.answer_propensity, each.agreeing) == (0.5, agreeing)

    in_trial(story, LIKE_SEVEN, tmp_path)


def test_variants_that_agree_share_the_probability(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(6, 8)
        await trial.ask(*USERS)
        assert {each.answer_propensity for each in await trial.kept(len(USERS))} == {1.0}

    like_champion = replace(WITH_SHADOW.variants[1], serves=6)
    in_trial(story, replace(WITH_SHADOW, variants=(WITH_SHADOW.variants[0], like_champion)), tmp_path)


def test_overlap_and_time_of_a_shadow_are_in_metrics_and_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7, 8)
        answers = await trial.ask(*USERS, request_id="r9")
        await trial.until(lambda: trial.count("shadow_answers", "eight", "compared") == len(USERS))
        shown = {"now": ids_of(1), "seven": ids_of(7)}
        wanted = [len({*shown[each["variant"]]} & {*ids_of(8)}) / 3 for each in answers]
        overlap = trial.metrics.shadow_overlap.labels("eight")
        assert overlap._sum.get() == pytest.approx(sum(wanted))
        assert trial.metrics.shadow_seconds.labels("eight")._sum.get() > 0
        lines = [record for record in caplog.records if record.message == "shadow"]
        assert [(line.shadow, line.variant, line.request_id) for line in lines] == [  # type: ignore[attr-defined]
            ("eight", each["variant"], "r9") for each in answers
        ]
        assert [line.overlap for line in lines] == pytest.approx(wanted, abs=1e-3)  # type: ignore[attr-defined]
        assert {line.milliseconds for line in lines} == {1}  # type: ignore[attr-defined]
        assert "user0" not in str([vars(line) for line in lines])

    with caplog.at_level(logging.INFO, logger="serving.http.experiments.comparisons"):
        in_trial(story, WITH_SHADOW, tmp_path)


def test_a_shadow_that_hangs_delays_no_answer_and_its_exposures_are_kept_at_the_end(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7, 8)
        trial.engine(8).hold()
        for request in range(30):
            answers = await asyncio.wait_for(trial.ask(*USERS, request_id=f"r{request}"), 1)
            assert all(each["flags"] == {} for each in answers)
            assert not any("eight" in str(each) for each in answers)
        await trial.until(lambda: trial.engine(8).batches)
        dropped = trial.count("shadow_answers", "eight", "dropped")
        assert dropped == 30 * len(USERS) - comparisons.MOST  # none of those that wait, all others

    kept = in_trial(story, WITH_SHADOW, tmp_path).exposures()
    assert len(kept) == 30 * len(USERS)
    assert {each.answer_propensity for each in kept} == {None}


def test_without_its_engine_a_shadow_fails_and_the_exposure_is_kept_without_probability(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        trial.refused[8] = "a file was changed"
        await trial.ready(7)
        await trial.ask(*USERS)
        assert {each.answer_propensity for each in await trial.kept(len(USERS))} == {None}
        assert trial.count("shadow_answers", "eight", "failed") == len(USERS)

    in_trial(story, WITH_SHADOW, tmp_path)


def test_requests_come_before_comparisons(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7, 8)
        champion = trial.engine(1)
        answers = await trial.ask(*USERS)
        champion.hold()
        shown_seven = [each["user_id"] for each in answers if each["variant"] == "seven"]
        await trial.until(lambda: champion.batches[-1] == shown_seven[: len(champion.batches[-1])])
        waiting = asyncio.create_task(trial.service.answer([{"op": "recommend", "user_id": "anna", "k": 1}]))
        await asyncio.sleep(0.05)
        before = len(champion.batches)
        champion.release()
        await waiting
        assert champion.batches[before] == ["anna"]
        assert len(champion.batches[before - 1]) <= comparisons.TOGETHER

    in_trial(story, WITH_SHADOW, tmp_path)


def test_an_interleaved_answer_is_compared_and_has_no_probability(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7, 8)
        await trial.ask(*USERS)
        assert {each.answer_propensity for each in await trial.kept(len(USERS))} == {None}
        assert trial.count("shadow_answers", "eight", "compared") == len(USERS)

    in_trial(story, replace(WITH_SHADOW, design=Design.INTERLEAVED), tmp_path)


def test_without_shadows_only_what_is_shown_is_computed(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7)
        await trial.ask(*USERS)
        await trial.kept(len(USERS))
        asked = [user for engine in trial.engines for batch in engine.batches for user in batch]
        assert sorted(asked) == sorted(USERS)

    in_trial(story, EXPERIMENT, tmp_path)
