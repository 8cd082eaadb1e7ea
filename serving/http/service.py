"""Everything that the routes need: the release that serves, limits, metrics, and the form of an answer."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response

from serving.http.batcher import Answered, Question
from serving.http.consumer_watch import ConsumerWatch
from serving.http.degraded import popular_answers
from serving.http.engine_process import EngineGoneError
from serving.http.errors import LOADING_SECONDS, ApiError
from serving.http.event_intake import EventIntake
from serving.http.item_intake import ItemIntake
from serving.http.metrics import Metrics, age_of
from serving.http.supervisor import Supervisor
from serving.service_settings import ServiceSettings

logger = logging.getLogger(__name__)


class Service:
    """The service of one dataset.

    Args:
        supervisor: keeps the engine of the champion.
        settings: limits and times.
        metrics: metrics of the service.
        events: takes events into the log.
        items: takes new and hidden items into their store.
        consumer: keeps the consumer of the log; None if another service does.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        settings: ServiceSettings,
        metrics: Metrics,
        events: EventIntake,
        items: ItemIntake,
        consumer: ConsumerWatch | None = None,
    ) -> None:
        self.supervisor, self.settings, self.metrics = supervisor, settings, metrics
        self.events, self.items, self.consumer = events, items, consumer
        self._as_of: datetime | None = None
        # Computed when it is read: without traffic it would stand still.
        metrics.feature_age.set_function(lambda: age_of(self._as_of))

    @property
    def problems(self) -> dict[str, str]:
        """Present problems by their kind."""
        consumer = self.consumer.problem if self.consumer else None
        own = {"events": self.events.problem, "items": self.items.problem, "consumer": consumer}
        return self.supervisor.problems | {kind: problem for kind, problem in own.items() if problem}

    async def answer(self, questions: Sequence[Question]) -> Answered:
        """Answer the questions of one request, all by one version.

        Raises:
            OverloadedError: the queue is full.
            ApiError: no release was loaded yet.
        """
        lane, facts = self.supervisor.lane, self.supervisor.facts
        if lane:
            try:
                return self.counted(await lane.batcher.answer(questions))
            except EngineGoneError as error:
                logger.warning("popular items for %d users: %s", len(questions), error)
                facts = lane.facts
        if facts is None:
            raise ApiError(503, "; ".join(self.supervisor.problems.values()), retry_after=LOADING_SECONDS)
        return self.counted(popular_answers(facts, questions, await self.items.hidden()))

    def counted(self, answered: Answered) -> Answered:
        """Count answers by source and flag, and their times by stage."""
        self.metrics.observe_stages(answered.timings)
        for answer in answered.answers:
            if "source" in answer:
                self.metrics.count_answer(answer)
        if as_of := answered.answers[-1].get("features_as_of"):
            self._as_of = datetime.fromisoformat(as_of)
        return answered


async def ask(request: Request, questions: Sequence[Question]) -> Answered:
    """Answer the questions of a request, and keep the answers for its trace."""
    service: Service = request.app.state.service
    request.state.answered = answered = await service.answer(questions)
    return answered


async def ask_one(request: Request, question: Question) -> Response:
    """Answer the only question of a request. ApiError if the answer is an error."""
    return reply_one(request, await ask(request, [question]))


def reply_one(request: Request, answered: Answered) -> Response:
    """Response of the only answer. ApiError if it is an error."""
    answer = answered.answers[0]
    if "error" in answer:
        raise refuse(answer["error"])
    return reply(request, answered, answer)


def reply(request: Request, answered: Answered, told: Mapping[str, Any]) -> Response:
    """Response with the request's id and its times."""
    whole = {**told, "request_id": request.state.request_id, "timings_ms": answered.timings}
    return Response(orjson.dumps(whole), media_type="application/json")


def refuse(error: dict[str, Any]) -> ApiError:
    """Error of an engine's answer, as the client gets it."""
    details = {name: value for name, value in error.items() if name not in ("status", "message")}
    retry_after = LOADING_SECONDS if error["status"] == 503 else None
    return ApiError(error["status"], error["message"], retry_after=retry_after, **details)
