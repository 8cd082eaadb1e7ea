"""Clicks on the page: events of known users, and of nobody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from feature_repo.event_kinds import Role
from feature_repo.events.sqlite_log import SqliteEventLog
from tests.unit.serving.http.page.page_world import ITEMS, Ask, Page, asked, turning
from tests.unit.serving.http.service_world import Reply, World

TITLES = [item["fields"]["title"] for item in ITEMS]
OWN = {"hx-request": "true"}
Click = Callable[..., Awaitable[Reply]]


def clicked(tmp_path: Path, story: Callable[[World, SqliteEventLog, Ask, Click], Awaitable[None]]) -> None:
    """Tell a story of a user whose list turns with every event."""

    async def inside(world: World, ask: Ask) -> None:
        world.log = log = SqliteEventLog(tmp_path / "log.db")
        world.engines[0]._answer = turning(log)  # type: ignore[method-assign]

        async def click(position: Any, headers: Any = OWN, **form: str) -> Reply:
            body = {"of": "anna", "click": "item3", **form}
            place = {"request": "r7", "position": position}
            return await ask("/page/click", place, body=[urlencode(body).encode()], headers=headers)

        await story(world, log, ask, click)

    asked(inside)


def listed(page: Page) -> list[Any]:
    return [value for value in page.values("click") if value]


def test_a_click_is_an_event_with_its_answer_and_position_and_the_next_list_shows_it(tmp_path: Path) -> None:
    async def story(world: World, log: SqliteEventLog, ask: Ask, click: Click) -> None:
        reply = await ask(query={"user": "anna"}, headers={"x-request-id": "r7"})
        buttons = [each for tag, each in Page(reply.body).elements if each.get("name") == "click"]
        assert [each["hx-post"] for each in buttons] == [
            f"/page/click?request=r7&position={rank}" for rank in range(1, len(ITEMS) + 1)
        ]
        assert all(each["formaction"] == each["hx-post"] and each["formmethod"] == "post" for each in buttons)
        page = Page((await click(4)).body)
        (event,) = (each.event for each in log.read(0, 10))
        assert (event.event_id, event.kind, event.user_id, event.item_id) == ("page-r7-4", "click", "anna", "item3")
        assert (event.request_id, event.position) == ("r7", 4)
        assert listed(page) == [item["item_id"] for item in (*ITEMS[1:], ITEMS[0])]
        assert page.text.count("up 1") == 4
        assert page.text.count("down 4") == 1
        assert "click on Thing 3: on the disk after" in page.text

    clicked(tmp_path, story)


def test_the_same_click_counts_once(tmp_path: Path) -> None:
    async def story(world: World, log: SqliteEventLog, ask: Ask, click: Click) -> None:
        assert [(await click(4)).status for _ in range(2)] == [200, 200]
        assert log.newest() == 1

    clicked(tmp_path, story)


def test_the_features_are_waited_for_and_it_is_said_how_long(tmp_path: Path) -> None:
    waited: list[int] = []

    class Watch:
        problem = None

        def __init__(self, is_online: bool) -> None:
            self.is_online = is_online

        async def reach(self, sequence: int, seconds: float) -> bool:
            waited.append(sequence)
            return self.is_online

    async def story(world: World, log: SqliteEventLog, ask: Ask, click: Click) -> None:
        for position, is_online in ((1, True), (2, False)):
            world.service.consumer = Watch(is_online)  # type: ignore[assignment]
            text = Page((await click(position)).body).text
            assert ("in the features after 0.0" in text) == is_online
            assert ("not in the features yet" in text) == (not is_online)
        world.service.consumer = None
        assert "not in the features yet" in Page((await click(3)).body).text
        assert waited == [1, 2]

    clicked(tmp_path, story)


def test_the_event_is_of_the_user_whose_list_it_is_and_keeps_filter_and_version(tmp_path: Path) -> None:
    async def story(world: World, log: SqliteEventLog, ask: Ask, click: Click) -> None:
        page = Page((await click(1, user="bert", filter="price > 1", beside="2")).body)
        assert [each.event.user_id for each in log.read(0, 10)] == ["anna"]
        assert (page.values("user"), page.values("filter"), page.values("beside")) == (["anna"], ["price > 1"], ["2"])

    clicked(tmp_path, story)


@pytest.mark.parametrize(
    ("query", "is_event"),
    [
        ({"user": "anna"}, True),
        ({"user": "anna", "try": "1"}, False),
        ({"user": "anna", "of": "anna", "session": ["item1"]}, False),
        ({}, False),
    ],
)
def test_only_the_clicks_of_a_known_user_are_events(tmp_path: Path, query: Any, is_event: bool) -> None:
    async def story(world: World, log: SqliteEventLog, ask: Ask, click: Click) -> None:
        reply = await ask(query=query)
        assert (b"/page/click" in reply.body) == is_event
        assert (b"a click is kept as an event" in reply.body) == is_event
        assert (Page(reply.body).values("try") == ["1"]) == ("user" in query)

    clicked(tmp_path, story)


def test_an_unknown_user_keeps_the_session(tmp_path: Path) -> None:
    async def story(world: World, log: SqliteEventLog, ask: Ask, click: Click) -> None:
        known = world.engines[0]._answer
        popular = {"source": "popular", "flags": {"unknown": "nothing is known"}}
        world.engines[0]._answer = lambda question: known(question) | popular  # type: ignore[method-assign]
        assert b"/page/click" not in (await ask(query={"user": "zoe"})).body

    clicked(tmp_path, story)


def test_where_the_dataset_has_no_clicks_the_session_stays(tmp_path: Path) -> None:
    async def story(world: World, log: SqliteEventLog, ask: Ask, click: Click) -> None:
        for role in (Role.IGNORED, Role.INTERACTION):
            world.events._kinds = lambda role=role: (("buy", Role.INTERACTION), ("click", role))
            reply = await ask(query={"user": "anna"})
            assert (b"/page/click" in reply.body) == (role is Role.INTERACTION)

    clicked(tmp_path, story)


def test_another_site_cannot_click(tmp_path: Path) -> None:
    async def story(world: World, log: SqliteEventLog, ask: Ask, click: Click) -> None:
        for headers in ({}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):
            assert (await click(1, headers=headers)).status == 403
        assert log.newest() == 0
        sent = await click(1, headers={"sec-fetch-site": "same-origin"}, filter="price > 1")  # without a script
        assert (sent.status, sent.headers["location"]) == (303, "/?user=anna&of=anna&filter=price+%3E+1")
        assert log.newest() == 1

    clicked(tmp_path, story)


def test_a_click_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    async def story(world: World, log: SqliteEventLog, ask: Ask, click: Click) -> None:
        for position, form, status, reason in (
            ("x", {}, 422, "position"),
            (0, {}, 422, "position"),
            (1, {"click": ""}, 422, "item_id"),
            (1, {"of": ""}, 422, "only a known user has events"),
            (1, {"filter": "price <"}, 422, "wanted a value"),
        ):
            reply = await click(position, **form)
            assert (reply.status, reason in Page(reply.body).text) == (status, True)
        world.log = None
        reply = await click(1)
        assert (reply.status, "there is none in this world" in Page(reply.body).text) == (503, True)

    clicked(tmp_path, story)
