"""Way from what a variant serves to the engine that answers it."""

from __future__ import annotations

from collections.abc import Sequence

from serving.experiments.definition import CONTROL
from serving.http.batcher import Answered, Question
from serving.http.engine_process import EngineGoneError
from serving.http.lane import Lane
from serving.http.lanes import Lanes
from serving.http.supervisor import Supervisor


class Sources:
    """Engines of the champion and of further versions.

    Args:
        supervisor: keeps the engine of the champion.
        lanes: engines of further versions.
    """

    def __init__(self, supervisor: Supervisor, lanes: Lanes) -> None:
        self._supervisor, self._lanes = supervisor, lanes

    async def ask(self, serves: int | str, questions: Sequence[Question]) -> Answered:
        """Ask what a variant serves.

        Args:
            serves: number of a version, `champion` or `control`.
            questions: questions of the kind `recommend`.

        Raises:
            EngineGoneError: there is no engine for it.
            OverloadedError: its queue is full.
        """
        return await self._lane(serves).batcher.answer(_asked(serves, questions))

    async def ask_later(self, serves: int | str, questions: Sequence[Question]) -> Answered:
        """Ask as `ask` does, once no request of a client waits. EngineGoneError without an engine."""
        return await self._lane(serves).batcher.answer_later(_asked(serves, questions))

    def _lane(self, serves: int | str) -> Lane:
        champion = self._supervisor.lane
        if isinstance(serves, str) or (champion and champion.version == serves):
            if champion is None:
                raise EngineGoneError("the engine of the champion is being started again")
            return champion
        lane = self._lanes.lane(serves)
        if lane is None:
            raise EngineGoneError(f"version {serves} does not serve: {self._lanes.reason(serves)}")
        return lane


def _asked(serves: int | str, questions: Sequence[Question]) -> Sequence[Question]:
    return [{**each, "op": "popular"} for each in questions] if serves == CONTROL else questions
