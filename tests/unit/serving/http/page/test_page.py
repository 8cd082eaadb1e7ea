"""The page without a browser: what it asks, shows and escapes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import pytest

from serving.http.access import Access
from serving.http.app import make_app
from serving.http.page.answers import SESSION
from tests.unit.serving.http.page.page_world import ITEMS, NASTY, Ask, Page, answer, asked, explaining
from tests.unit.serving.http.service_world import World, call, facts_of, in_world

IDS = [item["item_id"] for item in ITEMS]


def test_the_list_has_names_scores_and_reasons() -> None:
    async def story(world: World, ask: Ask) -> None:
        explaining(world)
        reply = await ask(query={"user": "anna"})
        page = Page(reply.body)
        assert (reply.status, page.values("click")) == (200, IDS)
        for text in ("Thing 0", "0.900", "near Thing 4 0.88", "source two_tower", "Thing 4 3×, 2024-02-29"):
            assert text in page.text
        assert "recall@20 is higher" in page.text
        assert page.text.count("all/recall@200.2500") == 2  # in the card, and in the table of all metrics
        assert "Metrics: 2" in page.text

    asked(story)


def test_a_click_goes_into_the_session_and_the_list_changes() -> None:
    async def story(world: World, ask: Ask) -> None:
        heard = explaining(world)
        page = Page(
            (await ask(query={"user": "u", "of": "u", "session": ["a", "b"], "click": "c", "filter": "x"})).body
        )
        assert page.values("session") == ["a", "b", "c"]
        assert page.values("of") == ["u"]
        assert page.values("click") == IDS[3:] + IDS[:3]
        now, explain, before = heard
        assert (now["user_id"], list(now["session"]), now["where"]) == ("u", ["a", "b", "c"], "x")
        assert (list(before["session"]), explain["item_ids"]) == (["a", "b"], page.values("click"))
        assert page.text.count("up 1") == 4  # the list turned by one
        assert page.text.count("down 4") == 1

    asked(story)


@pytest.mark.parametrize(
    ("query", "user", "session"),
    [
        ({"user": "u", "of": "v", "session": ["a"], "click": "c"}, "u", ["c"]),
        ({"user": "u", "of": "u", "session": ["a"], "start": "over"}, "u", []),
        ({"user": "u", "of": "u", "session": ["a"], "start": "new"}, "made-up", []),
        ({"of": "", "session": ["a", ""], "click": "c"}, "made-up", ["a", "c"]),
        ({"session": list(map(str, range(SESSION))), "click": "c"}, "made-up", [*map(str, range(1, SESSION)), "c"]),
    ],
)
def test_another_user_begins_a_new_session(query: Mapping[str, Any], user: str, session: list[str]) -> None:
    async def story(world: World, ask: Ask) -> None:
        heard = explaining(world)
        page = Page((await ask(query=query)).body)
        assert heard[0]["user_id"].startswith(user)
        assert (list(heard[0]["session"]), page.values("session")) == (session, session)

    asked(story)


def test_everything_is_escaped() -> None:
    """Names of items, ids of users and items, filters, errors."""

    async def story(world: World, ask: Ask) -> None:
        explaining(world)
        for query in (
            {"user": NASTY, "of": NASTY, "session": [NASTY], "click": NASTY, "filter": NASTY},
            {"user": NASTY * 20},
        ):
            reply = await ask(query=query)
            page = Page(reply.body)
            assert page.values("user") == [query["user"]]
            assert "img" not in page.tags()
            sources = [attributes["src"] for tag, attributes in page.elements if tag == "script"]
            assert [str(source).partition("?")[0] for source in sources] == ["/page/static/htmx.min.js"]
            assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
        assert "user has an id of" in page.text
        offered = Page((await ask("/page/users", {"user": "<"})).body)
        assert offered.elements == [("option", {"value": NASTY})]

    asked(story)


def test_an_override_is_shown_beside_the_verdict_and_escaped() -> None:
    async def story(world: World, ask: Ask) -> None:
        explaining(world)
        assert "override" not in Page((await ask()).body).text
        world.supervisor.facts = facts_of(1) | {"verdict": "failed", "override": NASTY}
        page = Page((await ask()).body)
        reason = re.sub(r"\s+", " ", NASTY)
        assert f"version 1 failed serves by an override: {reason}" in page.text  # in the header
        assert f"Release 1 failed Serves by an override: {reason}" in page.text  # on the card
        assert "img" not in page.tags()

    asked(story)


def test_an_error_of_the_filter_has_its_position() -> None:
    async def story(world: World, ask: Ask) -> None:
        explaining(world)
        for where, marked in (
            ("price <", "price &lt;<mark>␣</mark></code>"),
            ("price ? 'a'", "price <mark>?</mark> &#39;a&#39;</code>"),
        ):
            reply = await ask(query={"filter": where})
            assert reply.status == 422
            assert f"<code>{marked}" in reply.body.decode()
            assert "wanted a value" in Page(reply.body).text
            assert b'aria-invalid="true"' in reply.body

    asked(story)


def test_htmx_gets_the_part_that_changes() -> None:
    async def story(world: World, ask: Ask) -> None:
        explaining(world)
        part = await ask(headers={"hx-request": "true"})
        restored = await ask(headers={"hx-request": "true", "hx-history-restore-request": "true"})
        assert part.body.lstrip().startswith(b"<form")
        assert restored.body.startswith(b"<!doctype html>")
        assert (part.headers["vary"], part.headers["cache-control"]) == ("HX-Request", "no-store")

    asked(story)


def test_nothing_of_another_site_may_be_loaded() -> None:
    async def story(world: World, ask: Ask) -> None:
        explaining(world)
        reply = await ask()
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        files = re.findall(r'(?:src|href)="(/page/static/[^"]+)"', reply.body.decode())
        assert len(files) == 2
        for path in files:
            file = await ask(path.partition("?")[0])
            assert (file.status, file.headers["x-content-type-options"]) == (200, "nosniff")
        assert (await ask("/page/static/page.html")).status == 404

    asked(story)


def test_list_and_reasons_are_of_one_version() -> None:
    async def story(world: World, ask: Ask) -> None:
        versions = iter([1, 2, 2, 2])

        async def ask_engine(questions: Any) -> Any:
            return {"version": next(versions), "answers": [*map(answer, questions)], "stages": {"engine": 1}}

        world.engines[0].ask = ask_engine  # type: ignore[method-assign]
        world.supervisor.lane.batcher._ask = ask_engine  # type: ignore[union-attr]
        assert (await ask()).status == 200
        assert list(versions) == []

    asked(story)


def test_without_an_engine_popular_items_are_shown_with_the_reason() -> None:
    async def story(world: World, ask: Ask) -> None:
        world.refused[1] = "not again"
        world.engines[0].die()
        await world.until(lambda: world.supervisor.lane is None)
        reply = await ask(query={"user": "anna"})
        page = Page(reply.body)
        assert (reply.status, page.values("click")) == (200, [f"item{n}" for n in range(5)])
        assert "degraded the engine is being started again" in page.text
        assert "only it can answer this" in page.text
        assert (await ask("/page/users", {"user": "a"})).status == 200
        refused = await ask(query={"user": "anna", "filter": "price < 3"})
        assert (refused.status, Page(refused.body).values("click")) == (503, [])

    asked(story)


def test_while_the_first_release_is_loaded_the_page_says_so() -> None:
    async def story(world: World) -> None:
        reply = await call(make_app(world.service, Access(None)), "/")
        assert reply.status == 503
        page = Page(reply.body)
        assert page.text.count("no release is loaded yet") == 1
        refreshed = [each.get("content") for tag, each in page.elements if each.get("http-equiv") == "refresh"]
        assert refreshed == ["5"]  # until the first promotion

    async def loading(_: int) -> None:
        await asyncio.sleep(60)

    async def inside(world: World) -> None:
        world.loading = loading
        await story(world)

    in_world(inside)
