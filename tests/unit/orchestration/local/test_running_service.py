"""Answers of a running service that count, and those that do not. The service is a stand-in that says anything."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from orchestration.local import running_service
from orchestration.local.running_service import NoAnswerError, ask_service
from serving.running import note
from serving.settings import Settings

ITEM = {"item_id": "i1", "score": 0.5, "fields": {"price": 2.0}, "propensity": 1.0}
ANSWER = {
    "user_id": "anna/ö",
    "version": 2,
    "source": "two_tower",
    "items": [ITEM],
    "notes": ["a note"],
    "flags": {},
    "features_as_of": "2024-03-01T00:00:00",
    "newest_row": None,
}
TOKEN = "0123456789abcdef"


@dataclass
class Service:
    """What it says, and what it was asked."""

    settings: Settings
    status: int = 200
    body: bytes = b""
    asked: list[Any] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)

    def says(self, told: Any, status: int = 200) -> None:
        self.status, self.body = status, json.dumps(told).encode()

    def answers(self, **changed: Any) -> None:
        self.says({"answers": [ANSWER | changed]})

    def ask(self, **environ: str) -> Any:
        return ask_service(self.settings, "shop", "anna/ö", 5, "price < 3", environ)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    found = Service(Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path)}))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            found.tokens.append(self.headers["Authorization"])
            self.send_response(found.status)
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, *_: Any) -> None:
            pass

    class Registry:
        def champion(self) -> int:
            return 2

    monkeypatch.setattr(running_service, "open_registry", lambda *_: Registry())
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    note(tmp_path, "serve-shop", os.getpid(), f"http://127.0.0.1:{server.server_port}")
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_answer_is_that_of_the_service(service: Service) -> None:
    service.answers()
    answer, address = service.ask(GATEHOUSE_TOKEN=TOKEN)
    assert address == service.settings.running("serve-shop")
    assert service.asked == [{"user_ids": ["anna/ö"], "k": 5, "filter": "price < 3", "experiment": False}]
    assert service.tokens == [f"Bearer {TOKEN}"]
    assert (answer.user_id, answer.version, answer.notes) == ("anna/ö", 2, ("a note",))
    assert (answer.features_as_of, answer.newest_row) == (datetime(2024, 3, 1), None)
    assert [(item.item_id, item.score, item.fields) for item in answer.items] == [("i1", 0.5, {"price": 2.0})]


@pytest.mark.parametrize(
    ("say", "reason"),
    [
        (lambda service: service.answers(version=1), "serves version 1, the champion is 2"),
        (lambda service: service.answers(flags={"degraded": "the store is away"}), "degraded: the store is away"),
        (lambda service: service.says({"error": "no token"}, 401), "refused: no token"),
        (lambda service: service.says({"error": "loading"}, 503), "refused: loading"),
        (lambda service: setattr(service, "body", b"<html>"), "gave no answer"),
    ],
)
def test_another_answer_does_not_count(service: Service, say: Callable[[Service], None], reason: str) -> None:
    say(service)
    with pytest.raises(NoAnswerError, match=reason):
        service.ask()


def test_without_a_service_it_is_said_that_none_runs(tmp_path: Path) -> None:
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path)})
    with pytest.raises(NoAnswerError, match="no service runs"):
        ask_service(settings, "shop", "anna", 5, None, {})
