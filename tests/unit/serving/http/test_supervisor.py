"""The release that serves follows the champion, and survives what is wrong around it."""

from __future__ import annotations

import asyncio

import pytest

from serving.http import backoff
from tests.unit.serving.http.service_world import World, in_world

QUESTION = {"op": "recommend", "user_id": "anna", "k": 2, "where": None, "exclude": (), "exclude_seen": False}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between tries of a hundredth of a second."""
    monkeypatch.setattr(backoff.Backoff.__init__, "__kwdefaults__", {"first": 0.01, "longest": 0.02})


def test_a_new_champion_takes_over_and_the_old_engine_finishes_what_it_has() -> None:
    async def story(world: World) -> None:
        await world.serves(1)
        (old,) = world.engines
        old.hold()
        asked = asyncio.create_task(world.service.answer([QUESTION]))
        await world.until(lambda: old.batches)
        world.champion = 2
        await world.serves(2)
        assert (await world.service.answer([QUESTION])).version == 2
        assert not old.is_ended
        old.release()
        assert (await asked).version == 1
        await world.until(lambda: old.is_ended)
        assert world.said == ["version 1 serves", "version 2 serves, after version 1"]
        assert world.supervisor.problems == {}

    in_world(story)


def test_a_refused_release_changes_nothing_and_is_seen() -> None:
    async def story(world: World) -> None:
        await world.serves(1)
        world.refused[2] = "a file was changed"
        world.champion = 2
        await world.until(lambda: "release" in world.supervisor.problems)
        reason = "version 2 is refused: a file was changed; version 1 goes on"
        assert world.supervisor.problems == {"release": reason}
        assert (await world.service.answer([QUESTION])).version == 1
        await world.until(lambda: world.metrics.refusals._value.get() >= 3)
        assert world.said == ["version 1 serves", reason]  # said once
        world.refused.clear()
        await world.serves(2)
        assert world.supervisor.problems == {}

    in_world(story)


def test_a_refused_release_that_is_rolled_back_is_forgotten() -> None:
    async def story(world: World) -> None:
        await world.serves(1)
        world.refused[2], world.champion = "broken", 2
        await world.until(lambda: "release" in world.supervisor.problems)
        world.champion = 1
        await world.until(lambda: not world.supervisor.problems)
        assert len(world.engines) == 1

    in_world(story)


def test_without_the_registry_the_loaded_release_goes_on() -> None:
    async def story(world: World) -> None:
        await world.serves(1)
        world.registry_away, world.champion = True, 2
        await world.until(lambda: "registry" in world.supervisor.problems)
        assert "no route to the registry" in world.supervisor.problems["registry"]
        assert (await world.service.answer([QUESTION])).version == 1
        world.engines[0].die()
        await world.until(lambda: len(world.engines) == 2)
        await world.serves(1)
        world.registry_away = False
        await world.serves(2)
        assert world.supervisor.problems == {}

    in_world(story)


def test_a_deleted_alias_leaves_the_release_in_service() -> None:
    async def story(world: World) -> None:
        await world.serves(1)
        world.champion = None
        await world.until(lambda: "registry" in world.supervisor.problems)
        assert "no champion" in world.supervisor.problems["registry"]
        assert (await world.service.answer([QUESTION])).version == 1

    in_world(story)


def test_an_engine_that_dies_is_started_again_and_popular_items_answer_meanwhile() -> None:
    async def story(world: World) -> None:
        await world.serves(1)
        again = asyncio.Event()
        world.loading = lambda _: again.wait()  # type: ignore[assignment, return-value]
        world.engines[0].hold()
        asked = asyncio.create_task(world.service.answer([QUESTION]))
        await world.until(lambda: world.engines[0].batches)
        world.engines[0].die()
        during = (await asked).answers[0]
        await world.until(lambda: world.supervisor.lane is None)
        after = (await world.service.answer([QUESTION | {"exclude": ["item0"]}])).answers[0]
        for answer, first in ((during, "item0"), (after, "item1")):
            assert (answer["source"], answer["version"]) == ("popular", 1)
            assert "started again" in answer["flags"]["degraded"]
            assert answer["items"][0]["item_id"] == first
            assert len(answer["items"]) == 2
        filtered = (await world.service.answer([QUESTION | {"where": "price < 1"}])).answers[0]
        assert filtered["error"]["status"] == 503  # a filter is never ignored
        assert "status -9" in world.supervisor.problems["engine"]
        again.set()
        await world.serves(1)
        assert (await world.service.answer([QUESTION])).answers[0]["source"] == "two_tower"
        assert world.supervisor.problems == {}

    in_world(story)


def test_after_a_death_the_former_release_serves_where_the_champion_is_refused() -> None:
    async def story(world: World) -> None:
        await world.serves(1)
        world.refused[2], world.champion = "broken", 2
        await world.until(lambda: "release" in world.supervisor.problems)
        world.engines[0].die()
        await world.until(lambda: len(world.engines) == 2)
        await world.serves(1)
        assert "version 2 is refused" in world.supervisor.problems["release"]

    in_world(story)


def test_a_champion_that_moves_back_during_the_load_is_not_served() -> None:
    async def story(world: World) -> None:
        await world.serves(1)
        loaded = asyncio.Event()

        async def loading(version: int) -> None:
            world.champion = 1
            loaded.set()

        world.loading, world.champion = loading, 2
        await loaded.wait()
        await world.until(lambda: len(world.engines) == 2 and world.engines[1].is_ended)
        assert world.said == ["version 1 serves"]
        assert not world.engines[0].is_ended

    in_world(story)


def test_pauses_between_tries_grow_to_a_limit_and_are_forgotten() -> None:
    pauses = backoff.Backoff(first=1, longest=3)
    assert pauses.is_due(7, now=0)
    assert [pauses.failed(7, now=0) for _ in range(3)] == [1, 2, 3]
    assert not pauses.is_due(7, now=2.9)
    assert pauses.is_due(7, now=3)
    assert pauses.is_due(8, now=0)
    pauses.forget(7)
    assert pauses.failed(7, now=0) == 1
