"""Experiments of a service: which one runs, its engines, its answers, and what is kept of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from feature_repo.utc import present_time
from serving.experiments.definition import Experiment
from serving.experiments.exploration import Exploration
from serving.experiments.exposure import Exposure
from serving.http.batcher import Answered, Question
from serving.http.experiments.answering import Answering, Assigned
from serving.http.experiments.comparisons import Comparison, Comparisons
from serving.http.experiments.definitions import Definitions
from serving.http.experiments.exploring import RANDOMISED, explore, tell_certain
from serving.http.experiments.exposures import ExposureWriter
from serving.http.experiments.sources import Sources
from serving.http.lanes import Lanes
from serving.http.service import Service

logger = logging.getLogger(__name__)
WANTS = "experiments"
"""Name by which experiments want engines."""


class Experiments:
    """Experiments of one service.

    Args:
        service: the service.
        definitions: experiments of the home.
        lanes: engines beside the champion's.
        exposures: keeps exposures.
        now: present time, naive UTC.
    """

    def __init__(
        self,
        service: Service,
        definitions: Definitions,
        lanes: Lanes,
        exposures: ExposureWriter,
        *,
        now: Callable[[], datetime] = present_time,
    ) -> None:
        self._service, self._definitions, self._lanes, self._exposures = service, definitions, lanes, exposures
        self._now = now
        sources = Sources(service.supervisor, lanes)
        self._answering = Answering(service, sources)
        self._comparisons = Comparisons(sources, service.metrics, exposures.put)

    @property
    def running(self) -> Experiment | None:
        """Experiment that runs now."""
        return self._definitions.running(self._now())

    @property
    def exploring(self) -> Exploration | None:
        """Exploration of present answers: an experiment shows its variants as they are."""
        return None if self.running else self._definitions.exploration

    @property
    def versions(self) -> tuple[int, ...]:
        """Versions that have an engine beside the champion's."""
        return self._lanes.versions

    @property
    def problems(self) -> dict[str, str]:
        """Present problems by their kind."""
        refused = [f"version {version}: {reason}" for version, reason in self._lanes.problems.items()]
        found = {
            "experiments": self._definitions.problem,
            "variants": "; ".join(refused),
            "exposures": self._exposures.problem,
        }
        return {kind: problem for kind, problem in found.items() if problem}

    async def answer(self, questions: Sequence[Question], request_id: str) -> Answered:
        """Answer the questions of one request, each user by the own variant.

        Args:
            questions: questions of the kind `recommend`.
            request_id: id of the request.

        Raises:
            OverloadedError: a queue is full.
            ApiError: no release was loaded yet.
        """
        experiment, facts = self.running, self._service.supervisor.facts
        if experiment is None or facts is None:
            answered = await self._service.answer(questions)
            self._explore(answered.answers, request_id)
            return answered
        assigned, timings = await self._answering.answer(experiment, questions, request_id)
        for question, each in zip(questions, assigned, strict=True):
            self._note(experiment, question, each, request_id)
        answers = [_told(experiment, each) for each in assigned]
        tell_certain(answers)
        return Answered(version=facts["version"], answers=answers, timings=timings)

    async def run(self) -> None:
        """Follow the definitions, and keep engines and exposures, until cancelled."""
        try:
            await asyncio.gather(self._follow(), self._lanes.run(), self._comparisons.run(), self._exposures.run())
        except Exception:
            logger.exception("experiments have stopped")  # the service goes on, and nobody waits for this task
            raise

    async def close(self) -> None:
        """Keep the exposures that wait, and end the engines."""
        self._comparisons.close()
        await self._lanes.close()
        self._exposures.close()

    async def _follow(self) -> None:
        while True:
            await asyncio.to_thread(self._definitions.refresh)
            champion = self._service.supervisor.lane
            if champion:  # first of all, the champion serves
                versions = self.running.versions if self.running else ()
                self._lanes.want(WANTS, (each for each in versions if each != champion.version))
            await asyncio.sleep(self._service.settings.poll_seconds)

    def _explore(self, answers: Sequence[dict[str, Any]], request_id: str) -> None:
        """Randomise the share of some answers, and count those that are."""
        if (exploration := self._definitions.exploration) is None:
            tell_certain(answers)
            return
        explore(answers, exploration, request_id)
        for answer in answers:
            if RANDOMISED in answer:
                self._service.metrics.randomised.labels(answer[RANDOMISED]).inc()

    def _note(self, experiment: Experiment, question: Question, assigned: Assigned, request_id: str) -> None:
        """Count an answer, and keep it as an exposure if it is one."""
        if "error" in assigned.answer:
            return
        metrics, labels = self._service.metrics, (experiment.name, assigned.assignment.variant)
        metrics.variant_answers.labels(*labels).inc()
        if not assigned.is_exposure:
            metrics.variant_degraded.labels(*labels).inc()
            return
        exposure = Exposure(
            experiment=experiment.name,
            variant=assigned.assignment.variant,
            propensity=assigned.assignment.propensity,
            user_id=question["user_id"],
            request_id=request_id,
            timestamp=self._now(),
            items=tuple(item["item_id"] for item in assigned.answer["items"]),
            teams=assigned.teams,
        )
        if experiment.shadows:
            self._comparisons.put(Comparison(experiment=experiment, question=question, exposure=exposure))
        else:
            self._exposures.put(exposure)


def _told(experiment: Experiment, assigned: Assigned) -> dict[str, object]:
    """Answer with its experiment and variant."""
    if "error" in assigned.answer:
        return assigned.answer
    return {**assigned.answer, "experiment": experiment.name, "variant": assigned.assignment.variant}
