"""Events over HTTP without sockets: all of a request is on the disk, or nothing is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from feature_repo.event_kinds import read_kinds
from feature_repo.events.base import write_base
from feature_repo.events.base_note import kinds_reader
from feature_repo.events.event import FIELDS
from feature_repo.events.log import OutcomeUnknownError
from feature_repo.events.sqlite_log import SqliteEventLog
from serving.http.access import Access
from serving.http.app import make_app
from serving.http.bodies import EVENT, EventsKept, Failure, NewEvent
from tests.unit.feature_repo.events.events_world import NOW
from tests.unit.serving.http.service_world import Reply, World, call, in_world

Post = Callable[..., Awaitable[Reply]]
CLICK = {"event_id": "c1", "kind": "click", "user_id": "anna", "item_id": "milk"}
TOKEN = "0123456789abcdef"


def posted(tmp_path: Path, story: Callable[[World, SqliteEventLog, Post], Awaitable[None]], **settings: Any) -> None:
    """Tell a story with events that are posted to a service with a log."""

    async def inside(world: World) -> None:
        world.log = log = SqliteEventLog(tmp_path / "log.db")
        world.events._kinds = kinds_reader(tmp_path, "shop")
        app = make_app(world.service, Access(None))

        async def post(data: Any, **headers: str) -> Reply:
            return await call(app, "/v1/events", body=[json.dumps(data).encode()], headers=headers)

        await story(world, log, post)

    in_world(inside, **settings)


def count(world: World, outcome: str) -> float:
    return world.metrics.registry.get_sample_value("gatehouse_events_total", {"outcome": outcome}) or 0.0


def test_events_are_in_the_log_with_the_servers_arrival_when_the_answer_comes(tmp_path: Path) -> None:
    async def story(world: World, log: SqliteEventLog, post: Post) -> None:
        sent = [CLICK, {**EVENT, "time": "2024-05-31T19:00:00+02:00", "value": 2}]
        reply = await post(sent, **{"x-request-id": "mine"})
        assert reply.status == 200
        EventsKept.model_validate(reply.data, extra="forbid")
        assert (reply.data["accepted"], reply.data["known"], reply.data["request_id"]) == (2, [], "mine")
        first, second = (each.event for each in log.read(0, 10))
        assert (first.event_id, first.time, first.arrived) == ("c1", NOW, NOW)
        assert (second.time, second.arrived, second.value) == (NOW - timedelta(hours=1), NOW, 2.0)
        assert (second.request_id, second.position) == (EVENT["request_id"], 3)
        assert (count(world, "accepted"), world.service.problems.get("events")) == (2, None)

    posted(tmp_path, story)


def test_an_event_that_comes_again_is_known_and_counts_once(tmp_path: Path) -> None:
    async def story(world: World, log: SqliteEventLog, post: Post) -> None:
        assert (await post(CLICK)).data["known"] == []
        world.time = NOW + timedelta(minutes=1)  # an event without a time has a later arrival when it is sent again
        reply = await post([CLICK, {**CLICK, "event_id": "c2"}, {**CLICK, "event_id": "c2"}])
        assert (reply.data["accepted"], reply.data["known"]) == (1, ["c1", "c2"])
        assert [each.event.event_id for each in log.read(0, 10)] == ["c1", "c2"]
        assert (count(world, "accepted"), count(world, "known")) == (2, 2)

    posted(tmp_path, story)


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ({**CLICK, "kind": "clik"}, "events[1], of id 'c1': field 'kind' is 'clik'"),
        ({**CLICK, "when": 3}, "unknown field 'when'"),
        ({"event_id": "c9"}, "events[1], of id 'c9': field 'kind' is missing"),
        ({**CLICK, "time": "2024-05-31T18:02"}, "field 'time'"),
        ({**CLICK, "value": float("nan")}, "field 'value' is nan"),
        (7, "events[1] is 7, wanted an object"),
        ({**CLICK, "event_id": "known", "item_id": "bread"}, "field 'event_id' is 'known'"),
    ],
)
def test_a_bad_event_is_named_and_nothing_of_its_request_is_kept(tmp_path: Path, bad: Any, named: str) -> None:
    async def story(world: World, log: SqliteEventLog, post: Post) -> None:
        await post({**CLICK, "event_id": "known"})
        reply = await post([{**CLICK, "event_id": "good"}, bad])
        assert (reply.status, log.newest()) == (422, 1)
        Failure.model_validate(reply.data)
        assert named in reply.data["error"]
        assert "nothing of this request was kept" in reply.data["error"]
        assert count(world, "invalid") == 2

    posted(tmp_path, story)


def test_kinds_are_those_of_the_newest_run(tmp_path: Path) -> None:
    """And an unknown one is refused by a message that names them."""
    data = {"key": "a", "folder": tmp_path, "as_of": NOW}

    async def story(world: World, log: SqliteEventLog, post: Post) -> None:
        assert (await post({**CLICK, "kind": "saved"})).status == 422
        write_base(tmp_path, "shop", kinds=read_kinds({"saved": "interaction"}, "here"), **data)
        assert (await post({**CLICK, "kind": "saved"})).status == 200
        reply = await post({**CLICK, "event_id": "c2"})
        assert reply.status == 422
        assert "field 'kind' is 'click'; wanted one of saved" in reply.data["error"]
        write_base(tmp_path, "shop", **data)
        assert (await post({**CLICK, "event_id": "c3"})).status == 200

    posted(tmp_path, story)


def test_the_number_of_events_is_bounded(tmp_path: Path) -> None:
    async def story(world: World, log: SqliteEventLog, post: Post) -> None:
        for number in (0, 4):
            reply = await post([{**CLICK, "event_id": f"c{n}"} for n in range(number)])
            assert (reply.status, reply.data["error"].partition(";")[0]) == (
                422,
                f"the request has {number} events, wanted 1 to 3",
            )
        assert log.newest() == 0

    posted(tmp_path, story, max_events=3)


def test_a_page_of_another_site_cannot_post(tmp_path: Path) -> None:
    """A browser sends plain text anywhere without asking; JSON it must not."""

    async def story(world: World, log: SqliteEventLog, post: Post) -> None:
        assert (await post(CLICK, **{"content-type": "text/plain"})).status == 422
        assert log.newest() == 0

    posted(tmp_path, story)


def test_a_slow_disk_stops_nothing_else_and_the_queue_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, log: SqliteEventLog, post: Post) -> None:
        disk, keep = Event(), log.keep

        def slow(events: Any) -> Any:
            assert disk.wait(10)
            return keep(events)

        monkeypatch.setattr(log, "keep", slow)
        first = asyncio.create_task(post([{**CLICK, "event_id": f"c{n}"} for n in range(3)]))
        await world.until(lambda: world.events._waiting == 3)
        refused = await post([{**CLICK, "event_id": f"d{n}"} for n in range(2)])
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert "3 events wait for the disk, at most 4 may" in refused.data["error"]
        second = asyncio.create_task(post({**CLICK, "event_id": "last"}))
        await world.until(lambda: world.events._waiting == 4)
        disk.set()
        assert [(await each).status for each in (first, second)] == [200, 200]
        assert (log.newest(), count(world, "refused")) == (4, 2)

    posted(tmp_path, story, queue_events=4)


def test_a_full_disk_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    async def story(world: World, log: SqliteEventLog, post: Post) -> None:
        await post(CLICK)
        assert log._writer is not None
        log._writer.execute("PRAGMA max_page_count = 8")
        sent = [{**CLICK, "event_id": f"d{n}", "item_id": "i" * 200} for n in range(400)]
        reply = await post(sent)
        assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        assert "the disk is full; free some space" in reply.data["error"]
        assert str(tmp_path) not in reply.data["error"]
        assert "disk is full" in world.service.problems["events"]
        assert log.newest() == 1
        assert (await post(sent)).data["accepted"] == 400  # the log has opened the file again, without the limit
        assert (log.newest(), "events" in world.service.problems) == (401, False)

    posted(tmp_path, story)


def test_a_write_of_unknown_outcome_does_not_say_that_nothing_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(world: World, log: SqliteEventLog, post: Post) -> None:
        def lost(_: Any) -> Any:
            raise OutcomeUnknownError("topic shop: the broker did not answer")

        monkeypatch.setattr(log, "keep", lost)
        reply = await post(CLICK)
        assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        assert "nothing of this request" not in reply.data["error"]
        assert "send the request again as it is: what was kept counts once" in reply.data["error"]

    posted(tmp_path, story)


def test_a_log_that_cannot_be_opened_leaves_the_answers() -> None:
    async def story(world: World) -> None:
        app = make_app(world.service, Access(None))
        await world.serves(1)
        reply = await call(app, "/v1/events", body=[json.dumps(CLICK).encode()])
        assert (reply.status, reply.data["error"]) == (
            503,
            "events cannot be kept: there is none in this world; nothing of this request was kept",
        )
        assert (await call(app, "/v1/recommendations/anna")).status == 200
        assert "events" in (await call(app, "/readyz")).data["problems"]

    in_world(story)


def test_events_need_the_token(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.log = SqliteEventLog(tmp_path / "log.db")
        app = make_app(world.service, Access(TOKEN))
        body = [json.dumps(CLICK).encode()]
        assert (await call(app, "/v1/events", body=body)).status == 401
        headers = {"authorization": f"Bearer {TOKEN}"}
        assert (await call(app, "/v1/events", body=body, headers=headers)).status == 200
        assert world.log.newest() == 1

    in_world(story)


def test_openapi_describes_the_events(tmp_path: Path) -> None:
    assert tuple(NewEvent.model_fields) == FIELDS

    async def story(world: World) -> None:
        app = make_app(world.service, Access(None))
        operation = (await call(app, "/openapi.json")).data["paths"]["/v1/events"]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        assert [kind["type"] for kind in content["schema"]["anyOf"]] == ["object", "array"]
        world.log = SqliteEventLog(tmp_path / "log.db")
        for example in content["examples"].values():
            reply = await call(app, "/v1/events", body=[json.dumps(example["value"]).encode()])
            assert (reply.status, reply.data["known"]) == (200, [])

    in_world(story)
