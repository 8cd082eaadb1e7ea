"""The second engine: one at a time, started when asked, ended when idle."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from serving.http.engine_process import EngineGoneError, EngineRefusedError
from serving.http.errors import ApiError
from serving.http.second_engine import SecondEngine
from serving.service_settings import ServiceSettings
from tests.unit.serving.http.service_world import FakeEngine

QUESTION = {"op": "recommend", "user_id": "anna", "k": 2, "where": None, "exclude": (), "exclude_seen": False}
Story = Callable[[SecondEngine, list[FakeEngine]], Awaitable[None]]


def told(story: Story, *, seconds: float = 60) -> None:
    """Tell a story with a second engine."""

    async def inside() -> None:
        engines: list[FakeEngine] = []

        async def start(version: int) -> FakeEngine:
            await asyncio.sleep(0)
            if version == 13:
                raise EngineRefusedError("its files changed")
            if version == 14:
                raise EngineGoneError("it was not ready")
            assert all(each.is_ended for each in engines), "two at once"
            engines.append(FakeEngine(version))
            return engines[-1]

        second = SecondEngine(start, ServiceSettings(second_engine_seconds=seconds))  # type: ignore[arg-type]
        await story(second, engines)
        await second.close()
        assert all(each.is_ended for each in engines)

    asyncio.run(asyncio.wait_for(inside(), 10))


def test_one_engine_at_a_time_answers_all_who_ask() -> None:
    async def story(second: SecondEngine, engines: list[FakeEngine]) -> None:
        versions = [2, 2, 3, 2]
        answers = await asyncio.gather(*(second.answer(version, [QUESTION]) for version in versions))
        assert [each.version for each in answers] == versions
        assert [engine.version for engine in engines] == [2, 3, 2]
        assert second.version == 2

    told(story)


def test_it_ends_when_nobody_asks_and_starts_again() -> None:
    async def story(second: SecondEngine, engines: list[FakeEngine]) -> None:
        for _ in range(3):
            await second.answer(2, [QUESTION])
            await asyncio.sleep(0.03)
        assert len(engines) == 1  # each question begins the time anew
        while not engines[0].is_ended:
            await asyncio.sleep(0.01)
        assert second.version is None
        assert (await second.answer(2, [QUESTION])).version == 2
        assert len(engines) == 2

    told(story, seconds=0.05)


@pytest.mark.parametrize(("version", "status"), [(13, 422), (14, 503)])
def test_a_version_that_does_not_start_is_told(version: int, status: int) -> None:
    async def story(second: SecondEngine, engines: list[FakeEngine]) -> None:
        with pytest.raises(ApiError, match=f"version {version} cannot be loaded: it") as error:
            await second.answer(version, [QUESTION])
        assert error.value.status == status
        assert (await second.answer(2, [QUESTION])).version == 2

    told(story)


def test_an_engine_that_ended_is_told_and_started_at_the_next_question() -> None:
    async def story(second: SecondEngine, engines: list[FakeEngine]) -> None:
        await second.answer(2, [QUESTION])
        engines[0].die()
        with pytest.raises(ApiError, match="has ended: ask again"):
            await second.answer(2, [QUESTION])
        engines[0].is_ended = True
        assert (await second.answer(2, [QUESTION])).version == 2
        assert len(engines) == 2

    told(story)
