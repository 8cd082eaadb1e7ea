"""Answers of an experiment: each user by the own variant, or by both in turns.

A variant is never worse than the champion: where its engine is away, or its answer is an error, the champion answers.
Such an answer is flagged, and is no exposure of the variant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.experiments.assignment import Assignment, assign
from serving.experiments.definition import CHAMPION, Design, Experiment, Variant
from serving.experiments.interleaving import Pick, coins, team_draft
from serving.http.batcher import Answered, Question
from serving.http.engine_process import EngineGoneError
from serving.http.experiments.sources import Sources
from serving.http.service import Service

Answer = dict[str, Any]
FALLBACK = "fallback"
"""Flag of an answer that the champion gave instead of the variant."""
UNSOUND = ("degraded", FALLBACK)
"""Flags of answers that are no exposure."""


@dataclass(frozen=True, kw_only=True)
class Assigned:
    """Answer to a user of an experiment."""

    answer: Answer
    assignment: Assignment
    teams: tuple[str | None, ...] = ()
    """Variant that picked each item of an interleaved answer."""

    @property
    def is_exposure(self) -> bool:
        """Whether the user was shown what the variant would show."""
        return is_sound(self.answer)


def is_sound(answer: Mapping[str, Any]) -> bool:
    """Whether an answer is a variant's own: no error, not degraded, and not the champion's instead."""
    return "error" not in answer and not any(flag in answer["flags"] for flag in UNSOUND)


class Answering:
    """Answers of the variants of experiments.

    Args:
        service: answers by the champion, and counts answers.
        sources: engines of what the variants serve.
    """

    def __init__(self, service: Service, sources: Sources) -> None:
        self._service, self._sources = service, sources

    async def answer(
        self, experiment: Experiment, questions: Sequence[Question], request_id: str
    ) -> tuple[list[Assigned], Mapping[str, float]]:
        """Answer the questions of one request, and return the times by stage, too.

        Args:
            experiment: the running experiment.
            questions: questions of the kind `recommend`.
            request_id: id of the request, which decides the tosses of an interleaved answer.

        Raises:
            OverloadedError: a queue is full.
        """
        if experiment.design is Design.INTERLEAVED:
            return await self._interleaved(experiment, questions, request_id)
        return await self._split(experiment, questions)

    async def _split(
        self, experiment: Experiment, questions: Sequence[Question]
    ) -> tuple[list[Assigned], Mapping[str, float]]:
        assigned = [assign(experiment, each["user_id"]) for each in questions]
        groups = {
            each: [n for n, own in enumerate(assigned) if own.variant == each.name] for each in experiment.variants
        }
        groups = {variant: own for variant, own in groups.items() if own}
        found = await asyncio.gather(
            *(self._of(variant, [questions[n] for n in own]) for variant, own in groups.items())
        )
        answers: dict[int, Answer] = {}
        for own, answered in zip(groups.values(), found, strict=True):
            answers |= dict(zip(own, answered.answers, strict=True))
        told = [Assigned(answer=answers[n], assignment=each) for n, each in enumerate(assigned)]
        return told, _longest(found)

    async def _interleaved(
        self, experiment: Experiment, questions: Sequence[Question], request_id: str
    ) -> tuple[list[Assigned], Mapping[str, float]]:
        found = await asyncio.gather(*(self._of(variant, questions) for variant in experiment.variants))
        told = []
        for n, question in enumerate(questions):
            answers = {variant.name: each.answers[n] for variant, each in zip(experiment.variants, found, strict=True)}
            assignment = assign(experiment, question["user_id"])
            unsound = next((answer for answer in answers.values() if not is_sound(answer)), None)
            if unsound is not None:
                told.append(Assigned(answer=unsound, assignment=assignment))
                continue
            rankings = {name: [item["item_id"] for item in answer["items"]] for name, answer in answers.items()}
            tosses = coins(experiment.salt, request_id, question["user_id"])
            picks = team_draft(rankings, question["k"], tosses)
            teams = tuple(pick.team for pick in picks)
            told.append(Assigned(answer=_merged(picks, answers), assignment=assignment, teams=teams))
        return told, _longest(found)

    async def _of(self, variant: Variant, questions: Sequence[Question]) -> Answered:
        """Answers of a variant, and the champion's where it has none."""
        if variant.serves == CHAMPION:
            return await self._service.answer(questions)
        seconds = self._service.settings.variant_seconds
        try:
            answered = await asyncio.wait_for(self._sources.ask(variant.serves, questions), seconds)
        except TimeoutError:
            return await self._instead(variant, questions, f"no answer within {seconds:g} s")
        except EngineGoneError as error:
            return await self._instead(variant, questions, str(error))
        self._service.counted(answered)
        broken = [n for n, answer in enumerate(answered.answers) if "error" in answer]
        if broken:
            # Another version may not know a field that the filter names.
            instead = await self._instead(variant, [questions[n] for n in broken], "its answer is an error")
            for n, answer in zip(broken, instead.answers, strict=True):
                answered.answers[n] = answer
        return answered

    async def _instead(self, variant: Variant, questions: Sequence[Question], reason: str) -> Answered:
        """Answers of the champion, flagged."""
        answered = await self._service.answer(questions)
        flag = {FALLBACK: f"variant {variant.name}: {reason}: the champion's answer"}
        for n, answer in enumerate(answered.answers):
            if "error" not in answer:
                answered.answers[n] = {**answer, "flags": {**answer["flags"], **flag}}
        return answered


def _merged(picks: Sequence[Pick], answers: Mapping[str, Answer]) -> Answer:
    """Answer of the picked items; each names the variant that picked it."""
    first, second = answers.values()
    # An item that nobody could pick any more stands in one of the two lists.
    items = {item["item_id"]: item for answer in (second, first) for item in answer["items"]}
    by_team = {(name, item["item_id"]): item for name, answer in answers.items() for item in answer["items"]}
    return {
        **first,
        "source": Design.INTERLEAVED.value,
        "items": [
            {**by_team.get((pick.team or "", pick.item), items[pick.item]), "variant": pick.team} for pick in picks
        ],
        "notes": list(dict.fromkeys([*first["notes"], *second["notes"]])),
        "flags": {**second["flags"], **first["flags"]},
    }


def _longest(found: Sequence[Answered]) -> dict[str, float]:
    """Longest time of each stage: the engines worked beside each other."""
    stages = dict.fromkeys(stage for each in found for stage in each.timings)
    return {stage: max(each.timings.get(stage, 0.0) for each in found) for stage in stages}
