"""The application without sockets: limits, errors, access, and the form of the answers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.http.access import Access, is_loopback
from serving.http.app import make_app
from serving.http.bodies import Failure, Recommended, RecommendedToMany, ReleaseFacts, Similar
from serving.http.logs import LOGGERS, log_to
from tests.unit.serving.http.requests_world import Ask, asked
from tests.unit.serving.http.service_world import World, call, facts_of, in_world

USER = "/v1/recommendations/anna"
MANY = "/v1/recommendations"
TOKEN = "0123456789abcdef"

Log = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """The lines of the service's log."""
    path = tmp_path / "logs" / "serve.log"
    loggers = [logging.getLogger(name) for name in LOGGERS]
    former = [(logger, list(logger.handlers), logger.propagate, logger.level) for logger in loggers]
    log_to(path)
    yield lambda: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for logger, handlers, propagate, level in former:
        for handler in set(logger.handlers) - set(handlers):
            handler.close()
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def test_answers_have_the_described_form() -> None:
    async def story(world: World, ask: Ask) -> None:
        one = (await ask(f"{USER}?k=2")).data
        many = (await ask(MANY, {"user_ids": ["a", "b", "broken", "a"], "k": 1})).data
        similar = (await ask("/v1/items/milk/similar?k=3")).data
        Recommended.model_validate(one, extra="forbid")
        RecommendedToMany.model_validate(many)
        Similar.model_validate(similar, extra="forbid")
        assert [each["item_id"] for each in one["items"]] == ["item0", "item1"]
        assert [each["user_id"] for each in many["answers"]] == ["a", "b", "broken", "a"]
        assert many["answers"][2] == {
            "user_id": "broken",
            "error": {"status": 422, "message": "cannot read the filter", "position": 7},
        }
        assert (similar["item_id"], len(similar["items"])) == ("milk", 3)
        assert world.engines[0].batches[-2:] == [["a", "b", "broken", "a"], ["None"]]

    asked(story)


def test_what_is_asked_reaches_the_engine() -> None:
    async def story(world: World, ask: Ask) -> None:
        heard: list[Any] = []
        answer = world.engines[0]._answer
        world.engines[0]._answer = lambda question: heard.append(question) or answer(question)  # type: ignore[method-assign, func-returns-value]
        await ask(f"{MANY}/a%2Fb".replace("%2F", "/") + "?k=7&filter=price%3C1&exclude_seen=true&exclude=x&exclude=y,z")
        await ask(MANY, {"user_ids": ["u"], "k": 3, "filter": "price<2", "exclude_seen": True, "exclude": ["p"]})
        await ask("/v1/items/i/j/similar?filter=price%3C3&exclude=q")
        await ask(MANY, {"user_ids": ["u"], "users": [{"user_id": "new", "session": ["p", "q"]}], "k": 1})
        wanted = {"op": "recommend", "exclude_seen": True, "session": []}
        plain = {"op": "recommend", "exclude_seen": False, "where": None, "exclude": [], "k": 1}
        assert json.loads(json.dumps(heard)) == [
            {**wanted, "user_id": "a/b", "k": 7, "where": "price<1", "exclude": ["x", "y,z"]},
            {**wanted, "user_id": "u", "k": 3, "where": "price<2", "exclude": ["p"]},
            {"op": "similar", "item_id": "i/j", "k": 20, "where": "price<3", "exclude": ["q"]},
            {**plain, "user_id": "u", "session": []},
            {**plain, "user_id": "new", "session": ["p", "q"]},
        ]

    asked(story)


def test_a_method_that_a_path_does_not_have_is_told_those_of_all_its_routes() -> None:
    async def story(_: World, ask: Ask) -> None:
        for path, methods in (("/v1/items/a/hidden", "DELETE, PUT"), ("/v1/events", "POST")):
            reply = await ask(path)
            assert (reply.status, reply.headers["allow"]) == (405, methods)
            Failure.model_validate(reply.data)

    asked(story)


@pytest.mark.parametrize("id_", ["a/b", "line\nbreak\n", "\u2028", "similar/similar"])
def test_ids_hold_any_characters(id_: str) -> None:
    async def story(world: World, ask: Ask) -> None:
        assert (await ask(f"{MANY}/{id_}")).data["user_id"] == id_
        assert (await ask(f"/v1/items/{id_}/similar")).data["item_id"] == id_

    asked(story)


@pytest.mark.parametrize(
    ("path", "data", "status", "message"),
    [
        (f"{USER}?k=0", None, 422, "k is 0, wanted 1 to 50"),
        (f"{USER}?k=51", None, 422, "k is 51, wanted 1 to 50"),
        (f"{USER}?k=x", None, 422, "k: Input should be a valid integer, unable to parse string as an integer, got 'x'"),
        (f"{USER}?" + "&".join(["exclude=a"] * 4), None, 422, "exclude has 4 values, wanted 0 to 3"),
        (f"{USER}?exclude=", None, 422, "exclude has an id of 0 characters, wanted 1 to 1,000"),
        (f"{MANY}/{'u' * 1001}", None, 422, "user_id has an id of 1,001 characters, wanted 1 to 1,000"),
        (f"{USER}?filter=" + "a" * 10_001, None, 422, "the filter has 10,001 characters, wanted at most 10,000"),
        (f"{MANY}/broken", None, 422, "cannot read the filter"),
        (MANY, {"user_ids": []}, 422, "user_ids and users has 0 values, wanted 1 to 2"),
        (MANY, {"user_ids": ["a"] * 3}, 422, "user_ids and users has 3 values, wanted 1 to 2"),
        (MANY, {"user_ids": ["a"], "K": 3}, 422, "K: Extra inputs are not permitted, got 3"),
        (MANY, {}, 422, "user_ids and users has 0 values, wanted 1 to 2"),
        (MANY, {"users": [{"user_id": ""}]}, 422, "user_ids and users has an id of 0 characters, wanted 1 to 1,000"),
        (MANY, {"users": [{"user_id": "a", "session": ["i"] * 201}]}, 422, "session has 201 values, wanted 0 to 200"),
        (MANY, {"users": [{"user_id": "a", "x": "i"}]}, 422, "users.0.x: Extra inputs are not permitted, got 'i'"),
        ("/v1/nothing", None, 404, "Not Found"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(path: str, data: Any, status: int, message: str) -> None:
    async def story(world: World, ask: Ask) -> None:
        before = len(world.engines[0].batches)
        reply = await ask(path, data)
        Failure.model_validate(reply.data)
        assert (reply.status, reply.data["error"]) == (status, message)
        assert reply.data.get("position") == (1 if "filter has" in message else 7 if "filter" in message else None)
        assert len(world.engines[0].batches) == before + ("broken" in path)

    asked(story, max_k=50, max_excluded=3, max_users=2)


def test_a_body_is_refused_by_its_announced_and_by_its_real_size() -> None:
    async def story(world: World, ask: Ask) -> None:
        announced = await ask(MANY, {"user_ids": ["a"]}, headers={"content-length": "1001"})
        assert (announced.status, announced.data["error"]) == (413, "the body has 1,001 bytes, wanted at most 1,000")
        parts = [b"{" + b" " * 600, b" " * 600, b'"user_ids": ["a"]}']
        real = await ask(MANY, body=parts)
        assert (real.status, real.data["error"]) == (413, "the body has more than 1,000 bytes")
        assert (await ask(MANY, body=[b'{"user_ids":', b' ["a"]}'])).status == 200
        assert (await ask(MANY, body=[b'{"user_ids":'])).status == 422

    asked(story, max_body_bytes=1000)


def test_a_full_queue_is_503_with_the_time_to_ask_again() -> None:
    async def story(world: World, ask: Ask) -> None:
        world.engines[0].hold()
        waiting = [asyncio.create_task(ask(USER)) for _ in range(2)]
        await world.until(lambda: world.supervisor.lane and world.supervisor.lane.batcher.load == 2)
        refused = await ask(USER)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert "too many requests" in refused.data["error"]
        assert world.metrics.refused.labels("overload")._value.get() == 1
        world.engines[0].release()
        assert [(await each).status for each in waiting] == [200, 200]
        assert (await ask(USER)).status == 200

    asked(story, queue_users=2)


@pytest.mark.parametrize("override", [None, "<b>why</b>"])
def test_the_release_is_told_with_the_override_by_which_it_serves(override: str | None) -> None:
    async def story(world: World, ask: Ask) -> None:
        world.supervisor.facts = facts_of(1) | {"override": override}
        told = (await ask("/v1/release")).data
        assert ReleaseFacts.model_validate(told, extra="forbid").override == override
        described = (await ask("/openapi.json")).data["components"]["schemas"]["ReleaseFacts"]
        assert "override" in described["required"]

    asked(story)


def test_before_the_first_release_clients_are_asked_to_come_again() -> None:
    async def story(world: World) -> None:
        world.champion = None
        app = make_app(world.service, Access(None))
        for path in (USER, "/v1/release", "/v1/items/a/similar"):
            reply = await call(app, path)
            assert (reply.status, reply.headers["retry-after"]) == (503, "5")
        ready, healthy = await call(app, "/readyz"), await call(app, "/healthz")
        assert (ready.status, ready.data["ready"], healthy.status) == (503, False, 200)

    in_world(story)


def test_a_token_is_asked_for_everywhere_but_for_health() -> None:
    async def story(world: World, ask: Ask) -> None:
        for path in (USER, "/metrics", "/v1/release", "/openapi.json", "/v1/nothing"):
            for header in (
                {},
                {"authorization": f"Bearer {TOKEN}x"},
                {"authorization": TOKEN},
                {"authorization": "Bearer é"},
            ):
                refused = await ask(path, headers=header)
                assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        told = {"host": "shop.example", "authorization": f"bearer {TOKEN}"}
        assert (await ask(USER, headers=told)).status == 200
        assert (await ask("/readyz", headers=told)).data["version"] == 1
        assert (await ask("/healthz")).status == 200
        assert (await ask("/readyz")).data == {"ready": True}  # and nothing of the inside
        assert all(batch == ["anna"] for batch in world.engines[0].batches)

    asked(story, token=TOKEN)


def test_without_a_token_only_this_machine_s_names_are_answered() -> None:
    async def story(world: World, ask: Ask) -> None:
        for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
            assert (await ask(USER, headers={"host": host})).status == 200
        for host in ("evil.example", "localhost.evil.example:8000", "", "127.0.0.1.evil.example"):
            assert (await ask(USER, headers={"host": host})).status == 421

    asked(story)


def test_addresses_of_this_machine() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org", "")))


def test_what_fails_inside_stays_inside(monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    async def story(world: World, ask: Ask) -> None:
        async def broken(_: Any) -> None:
            raise RuntimeError("secret")

        monkeypatch.setattr(world.service, "answer", broken)
        reply = await ask(USER, headers={"x-request-id": "me-1"})
        assert reply.status == 500
        assert reply.data == {"error": "the service failed; its log has the request id", "request_id": "me-1"}
        assert any(line.get("request_id") == "me-1" and "secret" in line.get("trace", "") for line in log())

    asked(story)


def test_every_request_has_an_id_and_a_line_in_the_log_without_the_user(log: Log) -> None:
    async def story(world: World, ask: Ask) -> None:
        given = await ask(USER, headers={"x-request-id": "abc-1"})
        made = await ask(USER, headers={"x-request-id": "two words"})
        assert given.data["request_id"] == given.headers["x-request-id"] == "abc-1"
        assert made.data["request_id"] == made.headers["x-request-id"] != "two words"
        told = [line for line in log() if line["logger"] == "serving.http.access"]
        assert [each["request_id"] for each in told] == ["abc-1", made.data["request_id"]]
        assert {each["route"] for each in told} == {"/v1/recommendations/{user_id:id}"}
        assert not any("anna" in str(each) for each in told)

    asked(story)


def test_the_service_describes_itself() -> None:
    async def story(world: World, ask: Ask) -> None:
        described = (await ask("/openapi.json")).data
        answer = described["components"]["schemas"]["Recommended"]["examples"][0]
        Recommended.model_validate(answer, extra="forbid")
        assert {"/v1/recommendations/{user_id}", "/v1/recommendations", "/v1/items/{item_id}/similar"} <= set(
            described["paths"]
        )
        body = described["components"]["schemas"]["ManyUsers"]["examples"][0]
        assert (await ask(MANY, body)).status == 200
        assert (await ask("/docs")).status == 404  # its scripts would come from another site

    asked(story)
