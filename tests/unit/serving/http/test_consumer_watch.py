"""The front's end of the consumer, against small processes that behave well or badly."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from feature_repo.events.sqlite_log import SqliteEventLog
from serving.http.backoff import Backoff
from serving.http.consumer_watch import ConsumerWatch
from tests.unit.feature_repo.events.events_world import NOW, click
from tests.unit.serving.http.service_world import World, in_world

LIVE = "import sys; print('{\"position\": 1}', flush=True); sys.stdin.read()"
TROUBLED = f'print(\'{{"problem": "no run has loaded"}}\\nno JSON\', flush=True); {LIVE}'
SILENT = "import sys; sys.stdin.read()"
FAILING = f'print(\'{{"problem": "the log is away"}}\', flush=True); {SILENT}'
RESTARTED = """
import pathlib, sys
starts = pathlib.Path(sys.argv[1])
starts.open("a").write(".")
if len(starts.read_text()) < 3:
    print('{"position": 0}', flush=True)
    sys.exit(3)
print('{"position": 1}', flush=True)
sys.stdin.read()
"""


def watched(tmp_path: Path, code: str, story: Callable[[World, ConsumerWatch], Awaitable[None]]) -> None:
    """Tell a story with a consumer behind a log of three events, three seconds after the first."""

    async def inside(world: World) -> None:
        log = world.log = SqliteEventLog(tmp_path / "log.db")
        for number in range(3):
            log.append([click(number)])
        world.time = NOW + timedelta(seconds=3)
        command, backoff = (sys.executable, "-I", "-S", "-c", code, str(tmp_path / "starts")), Backoff(first=0.01)
        file = tmp_path / "logs" / "consumer.log"
        watch = world.service.consumer = ConsumerWatch(
            command, file, world.events, world.metrics, world.said.append, backoff
        )
        others = set(psutil.Process().children())
        running = asyncio.create_task(watch.run())
        try:
            await story(world, watch)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert set(psutil.Process().children()) <= others

    in_world(inside)


def test_an_event_is_online_once_the_consumer_has_passed_it(tmp_path: Path) -> None:
    async def story(world: World, watch: ConsumerWatch) -> None:
        assert await watch.reach(1, 10)
        assert not await watch.reach(2, 0.05)

    watched(tmp_path, LIVE, story)


def value(world: World, name: str) -> float | None:
    return world.metrics.registry.get_sample_value(f"gatehouse_consumer_{name}")


@pytest.fixture(autouse=True)
def measured_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.http.consumer_watch.MEASURE_SECONDS", 0.02)


def test_the_lag_is_measured_behind_the_position_that_is_told(tmp_path: Path) -> None:
    async def story(world: World, watch: ConsumerWatch) -> None:
        await world.until(lambda: value(world, "lag_events") == 2)
        assert value(world, "lag_seconds") == 2  # the second event came a second after NOW
        assert (watch.problem, value(world, "stuck")) == (None, 0)
        world.time = NOW + timedelta(seconds=20)
        await world.until(lambda: watch.problem)
        assert world.service.problems["consumer"] == "2 events are not online yet, the first since 19 s"
        assert value(world, "stuck") == 1

    watched(tmp_path, LIVE, story)


def test_a_consumer_that_ends_is_started_again_and_seen(tmp_path: Path) -> None:
    async def story(world: World, watch: ConsumerWatch) -> None:
        await world.until(lambda: value(world, "lag_events") == 2)
        assert (value(world, "deaths_total"), (tmp_path / "starts").read_text()) == (2, "...")
        assert [said.partition(";")[0] for said in world.said if "consumer" in said] == [
            "the consumer of events ended by itself (status 3)"
        ] * 2
        assert watch.problem is None

    watched(tmp_path, RESTARTED, story)


def test_what_a_consumer_cannot_do_is_a_problem_until_it_can(tmp_path: Path) -> None:
    async def story(world: World, watch: ConsumerWatch) -> None:
        await world.until(lambda: "no run has loaded" in world.said)
        await world.until(lambda: watch.problem is None)

    watched(tmp_path, TROUBLED, story)


@pytest.mark.parametrize("code", [FAILING, SILENT])
def test_a_consumer_without_a_position_is_stuck_whatever_its_lag_says(tmp_path: Path, code: str) -> None:
    """It could not open its log and says so, or hangs and says nothing."""

    async def story(world: World, watch: ConsumerWatch) -> None:
        if code == FAILING:
            await world.until(lambda: watch.problem)
        assert (value(world, "lag_seconds"), value(world, "stuck")) == (0, 1)

    watched(tmp_path, code, story)


def test_a_program_that_is_missing_is_tried_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        command, file = (str(tmp_path / "missing"),), tmp_path / "consumer.log"
        watch = ConsumerWatch(command, file, world.events, world.metrics, world.said.append, Backoff(first=0.01))
        running = asyncio.create_task(watch.run())
        await world.until(lambda: (value(world, "deaths_total") or 0) >= 2)
        assert "does not start" in (watch.problem or "")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    in_world(story)
