"""A service over engines that are not processes, and requests to it without sockets."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from feature_repo.datasets.tiny import SCHEMA
from feature_repo.events.log import EventLog, EventLogError
from feature_repo.items.reader import ItemReader
from feature_repo.items.store import ItemStore
from serving.http.champion import ChampionReader
from serving.http.engine_process import EngineGoneError, EngineRefusedError
from serving.http.event_intake import EventIntake
from serving.http.item_intake import ItemIntake
from serving.http.metrics import Metrics
from serving.http.service import Service
from serving.http.supervisor import Supervisor
from serving.service_settings import ServiceSettings
from tests.unit.feature_repo.events.events_world import NOW

ITEMS = [{"item_id": f"item{n}", "score": 9.0 - n, "fields": {}} for n in range(5)]
FACTS = {
    "dataset": "shop",
    "created": "2024-03-02T00:00:00",
    "data_until": "2024-03-01T00:00:00",
    "holdout_from": "2024-02-01T00:00:00",
    "holdout_days": 14.0,
    "items": len(ITEMS),
    "dimensions": 4,
    "verdict": "passed",
    "override": None,
    "reasons": ["recall@20 is higher"],
    "metrics": {"all/recall@20": 0.25, "coverage": None},
    "fields": [
        {"name": "title", "kind": "text", "display": True, "filterable": False},
        {"name": "price", "kind": "numeric", "display": False, "filterable": True},
    ],
    "popular": ITEMS,
    "schema": SCHEMA.to_json(),
}
"""Facts on a release, but for its version."""


def facts_of(version: int) -> dict[str, Any]:
    return FACTS | {"version": version}


def items_of(version: int) -> list[dict[str, Any]]:
    """List of a version for every user: those of two versions differ."""
    turn = (version - 1) % len(ITEMS)
    return [*ITEMS[turn:], *ITEMS[:turn]]


def _fresh(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items of one answer alone, as those that come from a process are."""
    return [dict(item) for item in items]


@dataclass
class FakeEngine:
    """An engine that answers with the ids of its users. Held, it answers nobody."""

    version: int
    new_items: int = 0
    behind: int = 0
    """Looks after which the new items are there."""
    batches: list[list[str]] = field(default_factory=list)
    is_ended: bool = False

    def __post_init__(self) -> None:
        self.facts, self.pid = facts_of(self.version), 0
        self._free, self._dead = asyncio.Event(), asyncio.Event()
        self._free.set()

    def hold(self) -> None:
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    def die(self) -> None:
        self._dead.set()
        self._free.set()

    async def ask(self, questions: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        self.batches.append([str(each.get("user_id")) for each in questions])
        await self._free.wait()
        await asyncio.sleep(0)
        if self._dead.is_set():
            raise EngineGoneError("the engine has ended")
        return {"version": self.version, "answers": [self._answer(each) for each in questions], "stages": {"engine": 1}}

    def _answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        if question.get("user_id") == "broken":
            return {"error": {"status": 422, "message": "cannot read the filter", "position": 7}}
        if question["op"] == "items":
            return self._state(question)
        own = {"version": self.version, "items": _fresh(items_of(self.version)[: question["k"]])}
        if question["op"] == "similar":
            return own | {"item_id": question["item_id"]}
        if question["op"] == "popular":
            own |= {"items": _fresh(ITEMS[::-1][: question["k"]])}
        told = {
            "source": "popular" if question["op"] == "popular" else "two_tower",
            "notes": [],
            "flags": {},
            "features_as_of": "2024-03-01T00:00:00",
            "newest_row": None,
        }
        return {"user_id": question["user_id"]} | own | told

    def _state(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """State of items, as of `Answerer`; the store is always at hand."""
        known = [item["item_id"] for item in ITEMS]
        unknown = [id_ for id_ in question["item_ids"] if id_ not in known]
        if question["required"] and unknown:
            return {"error": {"status": 404, "message": f"no item {unknown[0]!r}"}}
        if question["sequence"] and self.behind:
            self.behind -= 1
            return self._state({**question, "sequence": 0})
        judged = [id_ for id_ in question["item_ids"] if id_ in known]
        told = {"sequence": question["sequence"], "count": self.new_items, "judged": judged, "unknown": unknown}
        return {"version": self.version, "failed": {}, **told}

    async def ended(self) -> int:
        await self._dead.wait()
        return -9

    async def end(self) -> None:
        self.is_ended = True
        self._dead.set()


class World:
    """A supervised service. Make it in a running event loop."""

    def __init__(self, **settings: Any) -> None:
        self.champion: int | None = 1
        self.registry_away = False
        self.refused: dict[int, str] = {}
        self.loading: Callable[[int], Awaitable[None]] | None = None
        self.engines: list[FakeEngine] = []
        self.said: list[str] = []
        self.log: EventLog | None = None
        self.time = NOW
        self.settings = ServiceSettings(**{"poll_seconds": 0.01, **settings})
        self.metrics = Metrics()
        reader = ChampionReader(self._read)
        self.supervisor = Supervisor(reader, self._start, self.settings, self.metrics, self.said.append)  # type: ignore[arg-type]
        self.events = EventIntake(self._open_log, self.settings, self.metrics, now=lambda: self.time)
        self._folder = tempfile.TemporaryDirectory()
        self.item_store = Path(self._folder.name) / "items.db"
        self.items = ItemIntake(
            lambda: ItemStore(self.item_store),
            ItemReader(self.item_store),
            self.settings,
            self.metrics,
            now=lambda: self.time,
        )
        self.service = Service(self.supervisor, self.settings, self.metrics, self.events, self.items)

    def close(self) -> None:
        """Close log and store."""
        self.events.close()
        self.items.close()
        self._folder.cleanup()

    def _open_log(self) -> EventLog:
        if self.log is None:
            raise EventLogError("event log shop.db: there is none in this world")
        return self.log

    def _read(self) -> int | None:
        if self.registry_away:
            raise OSError("no route to the registry")
        return self.champion

    async def _start(self, version: int) -> FakeEngine:
        if version in self.refused:
            raise EngineRefusedError(self.refused[version])
        if self.loading:
            await self.loading(version)
        self.engines.append(FakeEngine(version))
        return self.engines[-1]

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until something holds."""
        for _ in range(500):
            if holds():
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"it never holds; problems {self.supervisor.problems}, said {self.said}")

    async def serves(self, version: int) -> None:
        """Wait until a version serves."""
        await self.until(lambda: self.supervisor.lane and self.supervisor.lane.version == version)


def in_world(story: Callable[[World], Awaitable[None]], **settings: Any) -> None:
    """Tell a story in a world whose supervisor runs."""

    async def told() -> None:
        world = World(**settings)
        running = asyncio.create_task(world.supervisor.run())
        try:
            await asyncio.wait_for(story(world), 20)
        finally:
            running.cancel()
            for engine in world.engines:
                engine.release()
            await asyncio.wait_for(world.supervisor.close(), 5)
            world.close()

    asyncio.run(told())


@dataclass
class Reply:
    """Answer of an application."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)


async def call(
    app: Any,
    path: str,
    *,
    body: Sequence[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
) -> Reply:
    """Ask an application: GET, or POST with the parts of a body, unless the method is another."""
    plain, _, query = path.partition("?")
    given = {"host": "127.0.0.1:8000", "content-type": "application/json", **(headers or {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method or ("GET" if body is None else "POST"),
        "scheme": "http",
        "path": plain,
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 1),
    }
    parts = list(body or [b""])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not parts:
            await asyncio.sleep(3600)
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], found, b"".join(each.get("body", b"") for each in sent[1:]))
