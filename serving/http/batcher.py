"""Micro-batches: one batch is with the engine, and what comes meanwhile forms the next.

So an idle engine answers at once, a busy one answers many requests with one pass, and no request is ever split over two
engines. The queue is bounded: what cannot be answered soon is refused at once, and waits nowhere.

What nobody waits for, such as the answer of a shadow, is asked when no request is there.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.http.engine_process import EngineGoneError

logger = logging.getLogger(__name__)
Question = Mapping[str, Any]
Ask = Callable[[Sequence[Question]], Awaitable[Mapping[str, Any]]]


class OverloadedError(RuntimeError):
    """More requests than the service can answer soon."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Answers to the questions of one request, all of one version."""

    version: int
    answers: list[dict[str, Any]]
    """Answers in the order of the questions."""
    timings: Mapping[str, float]
    """Milliseconds by stage; those of the engine are of the whole batch."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Waiting:
    """A request in the queue."""

    questions: Sequence[Question]
    answered: asyncio.Future[Answered]
    since: float


class Batcher:
    """Queue before one engine. Make it in a running event loop.

    Args:
        ask: answers one batch.
        batch_users: most questions of a batch of several requests.
        queue_users: most questions that wait or are being answered.
        wait_seconds: longest wait.
        observe: told the number of questions of each batch.
    """

    def __init__(
        self,
        ask: Ask,
        *,
        batch_users: int,
        queue_users: int,
        wait_seconds: float,
        observe: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._ask, self._observe = ask, observe
        self._batch, self._queue, self._seconds = batch_users, queue_users, wait_seconds
        self._waiting: deque[_Waiting] = deque()
        self._later: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._gone: EngineGoneError | None = None
        self._closed = False
        self.load = 0
        """Questions of clients that wait or are being answered."""
        self._task = asyncio.create_task(self._run())

    async def answer(self, questions: Sequence[Question]) -> Answered:
        """Answer the questions of one request, in one batch.

        Raises:
            OverloadedError: the queue is full, or the wait took too long.
            EngineGoneError: the engine has ended.
        """
        if self._gone:
            raise self._gone
        # A request that is larger than the whole queue is taken by an idle service.
        if self.load and self.load + len(questions) > self._queue:
            raise OverloadedError(f"{self.load} users are waiting, the most is {self._queue}")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(questions=questions, answered=loop.create_future(), since=loop.time())
        self._waiting.append(waiting)
        self.load += len(questions)
        self._arrived.set()
        try:
            return await waiting.answered
        finally:
            self.load -= len(questions)

    async def answer_later(self, questions: Sequence[Question]) -> Answered:
        """Answer questions that nobody waits for, whenever no request of a client waits.

        The caller bounds their number. EngineGoneError if the engine has ended, or is to end.
        """
        if self._gone or self._closed:
            raise self._gone or EngineGoneError("the engine is being ended")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(questions=questions, answered=loop.create_future(), since=loop.time())
        self._later.append(waiting)
        self._arrived.set()
        return await waiting.answered

    async def close(self) -> None:
        """Answer everything that has come, then end."""
        self._closed = True
        self._arrived.set()
        await self._task

    async def _run(self) -> None:
        while self._gone is None:
            await self._arrived.wait()
            if batch := self._next():
                await self._send(batch)
            elif self._closed:
                return
            else:
                self._arrived.clear()

    def _next(self) -> list[_Waiting]:
        """Take the next batch from the queue: whole requests, at least one."""
        batch: list[_Waiting] = []
        size, now = 0, asyncio.get_running_loop().time()
        while self._waiting and (not batch or size + len(self._waiting[0].questions) <= self._batch):
            each = self._waiting.popleft()
            if each.answered.done():  # its client has gone
                continue
            if now - each.since > self._seconds:
                late = f"not answered within {self._seconds:g} s"
                each.answered.set_exception(OverloadedError(late))
                continue
            batch.append(each)
            size += len(each.questions)
        return batch or self._next_later()

    def _next_later(self) -> list[_Waiting]:
        """Take the next questions that nobody waits for, one call at a time, so that a request waits for few."""
        while self._later:
            each = self._later.popleft()
            if not each.answered.done():
                return [each]
        return []

    async def _send(self, batch: list[_Waiting]) -> None:
        questions = [question for each in batch for question in each.questions]
        self._observe(len(questions))
        started = asyncio.get_running_loop().time()
        try:
            reply = await self._ask(questions)
        except EngineGoneError as error:
            self._end(error, batch)
            return
        except Exception as error:
            logger.exception("a batch failed in the front")  # whatever it is, nobody may wait for ever
            self._end(EngineGoneError(f"{error!r}"), batch)
            return
        answers = iter(reply["answers"])
        for each in batch:
            own = [next(answers) for _ in each.questions]
            queue = {"queue": round(1000 * (started - each.since), 3)}
            if not each.answered.done():
                answered = Answered(version=reply["version"], answers=own, timings=queue | reply["stages"])
                each.answered.set_result(answered)

    def _end(self, error: EngineGoneError, batch: Sequence[_Waiting]) -> None:
        """Tell all who wait, and who will come, that no answer will come."""
        self._gone = error
        for each in (*batch, *self._waiting, *self._later):
            if not each.answered.done():
                each.answered.set_exception(error)
