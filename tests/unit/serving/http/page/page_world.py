"""An engine for the page: it explains, and its list turns by one with every item of the session."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

from feature_repo.events.log import EventLog
from serving.http.access import Access
from serving.http.app import make_app
from serving.http.champion import RegistryReader
from serving.http.mover import ChampionMover
from serving.http.page.versions import Stored
from serving.http.second_engine import SecondEngine
from tests.unit.serving.http.service_world import FakeEngine, Reply, World, call, in_world

Ask = Callable[..., Awaitable[Reply]]
NASTY = """<img src=x onerror="alert('1')"> & 'quotes' "too" </button><script>alert(2)</script>"""
"""Text that is no text, where something does not escape it."""
ITEMS = [{"item_id": f"item{n}", "score": 0.9 - n / 10, "fields": {"title": f"Thing {n}"}} for n in range(5)]
ITEMS[1] = {"item_id": NASTY, "score": 0.8, "fields": {"title": NASTY}}
PAST = {"last": "2024-02-29T12:00:00", "count": 3}


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """Answer as an engine does."""
    match question["op"]:
        case "users":
            return {"user_ids": [each for each in ("anna", NASTY) if question["text"] in each]}
        case "explain":
            history = [*reversed(question["session"]), "item4"]
            known = {item["item_id"]: item["fields"] for item in ITEMS}
            near = [{"item_id": history[0], "cosine": 0.875}]
            return {
                "history": [{"item_id": id_, "fields": known.get(id_, {}), **PAST} for id_ in history],
                "reasons": dict.fromkeys(question["item_ids"], near),
            }
    where = question["where"] or ""
    if where.endswith("<") or "?" in where:
        position = where.index("?") + 1 if "?" in where else len(where) + 1
        return {"error": {"status": 422, "message": "wanted a value", "position": position}}
    turn = len(question["session"]) % len(ITEMS)
    return {
        "user_id": question["user_id"],
        "version": 1,
        "source": "two_tower",
        "items": [*ITEMS[turn:], *ITEMS[:turn]][: question["k"]],
        "notes": [],
        "flags": {},
        "features_as_of": "2024-03-01T00:00:00",
    }


def turning(log: EventLog) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Answer as an engine does whose list turns by one with every event of the user as well."""

    def turned(question: Mapping[str, Any]) -> dict[str, Any]:
        events = [each.event.item_id for each in log.read(0, 100) if each.event.user_id == question.get("user_id")]
        return answer({**question, "session": [*question.get("session", ()), *events]})

    return turned


async def start_other(version: int) -> FakeEngine:
    """Start the engine of another version: its list is that of `answer`, backwards, without the last item."""
    engine = FakeEngine(version)

    def backwards(question: Mapping[str, Any]) -> dict[str, Any]:
        found = answer(question)
        return found if "error" in found else {**found, "version": version, "items": found["items"][-2::-1]}

    engine._answer = backwards  # type: ignore[method-assign]
    return engine


def stored(version: int, recall: float | None, **changed: Any) -> Stored:
    """A version as the registry has it."""
    metrics = {"all/recall@20": recall, f"only{version}": 1.0}
    told = {"version": version, "created": "", "verdict": "failed", "override": None, "reasons": [NASTY]}
    return told | {"metrics": metrics} | changed


def explaining(world: World) -> list[Mapping[str, Any]]:
    """Let the engine of a world answer so, and return the list of what it is asked."""
    asked: list[Mapping[str, Any]] = []
    world.engines[0]._answer = lambda question: asked.append(question) or answer(question)  # type: ignore[method-assign, func-returns-value]
    return asked


def asked(
    story: Callable[[World, Ask], Awaitable[None]],
    token: str | None = None,
    versions: Callable[[], Any] = list,
    start: Callable[[int], Any] = start_other,
    mover: ChampionMover | None = None,
) -> None:
    """Tell a story with requests to the page of version 1.

    Args:
        story: the story.
        token: token of the service.
        versions: reads the versions that are stored.
        start: starts the engine of another version.
        mover: moves the champion.
    """

    async def inside(world: World) -> None:
        second = SecondEngine(start, world.settings)
        reader = RegistryReader[list[Stored]](versions)
        app = make_app(world.service, Access(token), versions=reader, second=second, mover=mover)
        await world.serves(1)

        async def ask(path: str = "/", query: Any = (), **options: Any) -> Reply:
            return await call(app, f"{path}?{urlencode(query, doseq=True)}", **options)

        await story(world, ask)
        await second.close()

    in_world(inside)


class Page(HTMLParser):
    """Elements and text of a page."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.texts))

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def values(self, name: str) -> list[str | None]:
        """Values of the inputs and buttons of a name."""
        return [attributes.get("value") for _, attributes in self.elements if attributes.get("name") == name]
