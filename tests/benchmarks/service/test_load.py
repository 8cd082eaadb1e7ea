"""The load sees every wait, and its clients take no silent fault for an answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import orjson
import pytest

from tests.benchmarks.service.clients import DEGRADED, ERROR, REFUSED, WHOLE, Readers, Writers
from tests.benchmarks.service.open_loop import Load, Reply, get, post


@contextmanager
def stalling(seconds: float) -> Iterator[str]:
    """Address of a server that answers with what it was sent, the first time after a while."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            time.sleep(seconds if len(asked) == 1 else 0)
            self._answer(self.path.encode())

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_stall_is_the_wait_of_every_request_that_was_due() -> None:
    replies: list[Reply] = []
    with stalling(0.5) as address:
        load = Load(address, lambda number: get(f"/{number}"), replies.append, rate=20, connections=1)
        load.start()
        time.sleep(1.5)
        load.stop()
    assert [reply.body.decode() for reply in replies] == [f"/{reply.number}" for reply in replies]
    late = [reply for reply in replies if reply.seconds > 0.1]
    assert len(late) >= 5  # a closed loop would see one


def test_bodies_arrive_and_a_server_that_is_gone_is_an_answer_of_status_0() -> None:
    replies: list[Reply] = []
    with stalling(0) as address:
        for _ in range(2):
            load = Load(address, lambda number: post("/", {"n": number}), replies.append, rate=20, connections=2)
            load.start()
            time.sleep(0.3)
            load.stop()
        assert {reply.status for reply in replies} == {200}
        assert orjson.loads(replies[0].body) == {"n": 0}
    load = Load(address, get, replies.append, rate=20, connections=1)  # type: ignore[arg-type]
    load.start()
    time.sleep(0.2)
    load.stop()
    assert replies[-1].status == 0


def reply(status: int, told: Any = None, number: int = 0, **headers: str) -> Reply:
    return Reply(number, status, headers, orjson.dumps(told or {}), at=float(number), seconds=0.1)


def answer(source: str, items: int, **flags: str) -> dict[str, Any]:
    return {"user_id": "u", "source": source, "items": [{}] * items, "flags": flags}


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        (reply(200, answer("two_tower", 5)), WHOLE),
        (reply(200, answer("two_tower", 5, stale="old")), WHOLE),
        (reply(200, answer("popular", 3, degraded="the store is away")), DEGRADED),
        (reply(200, answer("popular", 5)), ERROR),
        (reply(200, answer("popular", 5, unknown="nothing is known")), ERROR),
        (reply(200, answer("two_tower", 4)), ERROR),
        (reply(503, **{"retry-after": "1"}), REFUSED),
        (reply(503), ERROR),
        (reply(500), ERROR),
        (reply(0), ERROR),
    ],
)
def test_an_answer_that_does_not_say_what_is_wrong_with_it_is_an_error(told: Reply, outcome: str) -> None:
    readers = Readers(["u"], 5)
    readers.take(told)
    assert dict(readers.outcomes.count()) == {outcome: 1}
    assert bool(readers.outcomes.errors) == (outcome == ERROR)


def test_an_event_is_sent_again_until_it_is_accepted() -> None:
    writers = Writers(lambda number: {"event_id": f"e{number}"})
    first = writers.ask(0)
    writers.take(reply(503, number=0, **{"retry-after": "5"}))
    assert (writers.ask(1), writers.accepted, writers.waiting) == (first, {}, 1)
    writers.take(reply(0, number=1))
    assert writers.ask(2) == first
    writers.take(reply(200, number=2))
    assert writers.ask(3) != first
    assert (list(writers.accepted), writers.waiting) == (["e0"], 1)
    assert dict(writers.outcomes.count()) == {REFUSED: 1, ERROR: 1, WHOLE: 1}
    assert writers.outcomes.between(0.5, 1.5) == {ERROR: 1}
    assert writers.outcomes.last_not_whole(0, 9) == 1.0
