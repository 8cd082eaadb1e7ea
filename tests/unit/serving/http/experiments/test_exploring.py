"""Randomised answers of a service: the same items, each with the probability of its position."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from serving.experiments.definition import Design
from serving.experiments.exploration import Exploration, Kind
from serving.http.bodies import UserAnswer
from serving.http.experiments.exploring import explore, tell_certain
from tests.unit.serving.http.experiments.trial_world import EXPERIMENT, Trial, ids, ids_of, in_trial
from tests.unit.serving.http.service_world import FACTS, items_of

USERS = [f"user{n}" for n in range(300)]
SWAP = Exploration(share=0.5, kind=Kind.SWAP, depth=3)


def told(answer: dict[str, Any]) -> list[float]:
    return [item["propensity"] for item in answer["items"]]


def answered(**other: Any) -> dict[str, Any]:
    """Answer of five items as an engine gives it."""
    items = [{"item_id": f"item{n}"} for n in range(5)]
    return {"user_id": "user", "source": "two_tower", "flags": {}, "items": items} | other


def test_the_share_is_randomised_and_counted_and_every_item_has_its_propensity(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready()
        trial.definitions.exploration = SWAP
        answers = await trial.ask(*USERS, k=5)
        plain = ids_of(1, 5)
        randomised = [answer for answer in answers if answer.get("randomised") == "swap"]
        for answer in answers:
            assert (sorted(ids(answer)), ids(answer)[3:]) == (sorted(plain), plain[3:])
            ranks = [plain.index(item) for item in ids(answer)]
            assert told(answer) == [SWAP.propensity(rank, place, 5) for place, rank in enumerate(ranks)]
            assert ids(answer) == plain or answer in randomised
            groups = [item.get("randomised") for item in answer["items"]]
            assert groups in ([*["swap 1"] * 2, *[None] * 3], [None, *["swap 2"] * 2, *[None] * 2]) or (
                answer not in randomised and not any(groups)
            )
            UserAnswer.model_validate(answer, extra="forbid")
        assert 100 < len(randomised) < 200
        assert 50 < sum(ids(answer) != plain for answer in randomised) < 150
        assert trial.count("randomised", "swap") == len(randomised)
        assert await trial.ask(*USERS, k=5) == answers
        assert await trial.ask(*USERS, k=5, request_id="another") != answers

    in_trial(story, None, tmp_path)


def test_an_answer_is_certain_without_exploration(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready()
        for answer in await trial.ask(*USERS, "broken", k=5):
            if "error" not in answer:
                assert answer["items"] == [item | {"propensity": 1.0} for item in items_of(1)]
                assert "randomised" not in answer

    in_trial(story, None, tmp_path)


@pytest.mark.parametrize("design", Design)
def test_answers_of_an_experiment_are_left_as_they_are(tmp_path: Path, design: Design) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready(7)
        trial.definitions.exploration = replace(SWAP, share=1.0)
        assert trial.experiments.exploring is None
        for answer in await trial.ask(*USERS[:50]):
            assert "randomised" not in answer
            if design is Design.SPLIT:
                assert ids(answer) == ids_of(answer["version"])
                assert told(answer) == [1.0] * 3  # the user has this variant in every answer
            else:
                assert not any("propensity" in item for item in answer["items"])
        trial.now = EXPERIMENT.end
        assert trial.experiments.exploring is trial.definitions.exploration
        assert all(answer["randomised"] == "swap" for answer in await trial.ask(*USERS[:50]))

    in_trial(story, replace(EXPERIMENT, design=design), tmp_path)


@pytest.mark.parametrize(
    "other", [{"source": "popular"}, {"flags": {"degraded": "the store is away"}}, {"flags": {"fallback": "away"}}]
)
def test_popular_items_and_degraded_answers_are_not_randomised(other: dict[str, Any]) -> None:
    answer, plain = answered(**other), answered(**other)
    explore([answer], replace(SWAP, share=1.0), "r")
    tell_certain([plain])
    assert answer == plain
    assert told(answer) == [1.0] * 5


def test_a_stale_answer_is_randomised() -> None:
    answer = answered(flags={"stale": "old features"})
    explore([answer], replace(SWAP, share=1.0), "r")
    assert answer["randomised"] == "swap"


def test_the_popular_items_of_a_release_stay_as_they_are(tmp_path: Path) -> None:
    async def story(trial: Trial) -> None:
        await trial.ready()
        trial.refused[1] = "not again"
        trial.engine(1).die()
        await trial.until(lambda: trial.supervisor.lane is None)
        trial.definitions.exploration = replace(SWAP, share=1.0)
        (answer,) = await trial.ask("user1", k=5)
        assert "degraded" in answer["flags"]
        assert told(answer) == [1.0] * 5
        assert not any("propensity" in item for item in FACTS["popular"])

    in_trial(story, None, tmp_path)
