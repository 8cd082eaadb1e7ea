"""Micro-batches and the bounded queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from serving.http.batcher import Answered, Batcher, OverloadedError, Question
from serving.http.engine_process import EngineGoneError
from tests.unit.serving.http.service_world import FakeEngine

Story = Callable[[Batcher, FakeEngine], Awaitable[None]]


def told(story: Story, **limits: Any) -> None:
    async def run() -> None:
        engine = FakeEngine(1)
        settings = {"batch_users": 4, "queue_users": 8, "wait_seconds": 5.0, **limits}
        batcher = Batcher(engine.ask, **settings)
        await asyncio.wait_for(story(batcher, engine), 10)
        engine.release()
        await asyncio.wait_for(batcher.close(), 5)
        assert batcher.load == 0

    asyncio.run(run())


def ask(batcher: Batcher, *users: str) -> asyncio.Task[Answered]:
    questions = [{"op": "recommend", "user_id": user, "k": 1} for user in users]
    return asyncio.create_task(batcher.answer(questions))


def users_of(answered: Answered) -> list[str]:
    return [answer["user_id"] for answer in answered.answers]


async def pause() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_what_comes_during_a_batch_forms_the_next() -> None:
    async def story(batcher: Batcher, engine: FakeEngine) -> None:
        engine.hold()
        asked = [ask(batcher, "a")]
        await pause()
        asked += [ask(batcher, user) for user in "bcdef"]
        await pause()
        assert engine.batches == [["a"]]
        engine.release()
        assert [users_of(each) for each in await asyncio.gather(*asked)] == [[user] for user in "abcdef"]
        assert engine.batches == [["a"], ["b", "c", "d", "e"], ["f"]]

    told(story)


def test_a_request_for_many_users_is_one_batch_and_never_split() -> None:
    async def story(batcher: Batcher, engine: FakeEngine) -> None:
        engine.hold()
        first = ask(batcher, "a")
        await pause()
        asked = [ask(batcher, "b", "c", "d"), ask(batcher, "e", "f")]
        await pause()
        engine.release()
        assert [users_of(each) for each in await asyncio.gather(first, *asked)] == [
            ["a"],
            ["b", "c", "d"],
            ["e", "f"],
        ]
        assert engine.batches == [["a"], ["b", "c", "d"], ["e", "f"]]
        assert users_of(await ask(batcher, *"abcdefghijkl")) == list("abcdefghijkl")

    told(story)


def test_what_nobody_waits_for_comes_after_all_requests_and_takes_no_place() -> None:
    async def story(batcher: Batcher, engine: FakeEngine) -> None:
        engine.hold()
        first = ask(batcher, "a")
        await pause()
        later = [
            asyncio.create_task(batcher.answer_later([{"op": "recommend", "user_id": user, "k": 1}])) for user in "xy"
        ]
        await pause()
        assert batcher.load == 1
        asked = [ask(batcher, user) for user in "bcdef"]
        await pause()
        later[1].cancel()
        engine.release()
        await asyncio.gather(first, *asked)
        assert users_of(await later[0]) == ["x"]
        assert engine.batches == [["a"], ["b", "c", "d", "e"], ["f"], ["x"]]

    told(story)


def test_what_nobody_waits_for_hears_of_an_engine_that_is_gone_or_ends() -> None:
    async def story(batcher: Batcher, engine: FakeEngine) -> None:
        engine.hold()
        first = ask(batcher, "a")
        later = asyncio.create_task(batcher.answer_later([{"op": "recommend", "user_id": "x", "k": 1}]))
        await pause()
        engine.die()
        for each in (first, later, batcher.answer_later([])):
            with pytest.raises(EngineGoneError):
                await each

    told(story)

    async def closed(batcher: Batcher, engine: FakeEngine) -> None:
        await batcher.close()
        with pytest.raises(EngineGoneError, match="being ended"):
            await batcher.answer_later([])

    told(closed)


def test_a_full_queue_refuses_at_once_and_takes_again_when_it_is_shorter() -> None:
    async def story(batcher: Batcher, engine: FakeEngine) -> None:
        engine.hold()
        asked = [ask(batcher, str(n)) for n in range(8)]
        await pause()
        with pytest.raises(OverloadedError, match="8 users are waiting, the most is 8"):
            await ask(batcher, "late")
        engine.release()
        await asyncio.gather(*asked)
        assert users_of(await ask(batcher, "late")) == ["late"]

    told(story)


def test_nobody_waits_longer_than_the_limit() -> None:
    async def story(batcher: Batcher, engine: FakeEngine) -> None:
        engine.hold()
        first, second = ask(batcher, "a"), None
        await pause()
        second = ask(batcher, "b")
        await asyncio.sleep(0.05)
        engine.release()
        await first
        with pytest.raises(OverloadedError, match=r"not answered within 0\.03 s"):
            await second
        assert engine.batches == [["a"]]

    told(story, wait_seconds=0.03)


def test_clients_that_have_gone_are_not_answered() -> None:
    async def story(batcher: Batcher, engine: FakeEngine) -> None:
        engine.hold()
        first, gone = ask(batcher, "a"), ask(batcher, "gone")
        await pause()
        gone.cancel()
        engine.release()
        await first
        assert users_of(await ask(batcher, "b")) == ["b"]
        assert ["gone"] not in engine.batches[1:]

    told(story, batch_users=1)


def test_the_end_of_the_engine_is_told_to_all_who_wait() -> None:
    async def story(batcher: Batcher, engine: FakeEngine) -> None:
        engine.hold()
        asked = [ask(batcher, user) for user in "abc"]
        await pause()
        engine.die()
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(each) for each in found] == [EngineGoneError] * 3
        with pytest.raises(EngineGoneError):
            await ask(batcher, "later")

    told(story)


def test_whatever_fails_nobody_waits_for_ever() -> None:
    async def ask(_: Sequence[Question]) -> Mapping[str, Any]:
        raise RuntimeError("the handler is closed")

    async def story() -> None:
        batcher = Batcher(ask, batch_users=4, queue_users=8, wait_seconds=2)
        asked = [asyncio.create_task(batcher.answer([{"user_id": str(n)}])) for n in range(3)]
        for each in asked:
            with pytest.raises(EngineGoneError, match="handler is closed"):
                await asyncio.wait_for(each, 2)
        with pytest.raises(EngineGoneError, match="handler is closed"):
            await asyncio.wait_for(batcher.answer([{"user_id": "later"}]), 2)

    asyncio.run(story())


def test_a_closed_queue_answers_what_has_come() -> None:
    async def story(batcher: Batcher, engine: FakeEngine) -> None:
        engine.hold()
        asked = [ask(batcher, str(n)) for n in range(6)]
        await pause()
        closing = asyncio.create_task(batcher.close())
        await pause()
        assert not closing.done()
        engine.release()
        await closing
        assert [users_of(await each) for each in asked] == [[str(n)] for n in range(6)]

    told(story)


def test_the_wait_is_the_stage_queue() -> None:
    async def story(batcher: Batcher, engine: FakeEngine) -> None:
        engine.hold()
        first = ask(batcher, "a")
        await pause()
        second = ask(batcher, "b")
        await asyncio.sleep(0.05)
        engine.release()
        assert (await first).timings["queue"] < 40 < (await second).timings["queue"]
        assert (await second).timings["engine"] == 1

    told(story)
