"""Who may open the page: the token, its cookie, and hosts."""

from __future__ import annotations

from tests.unit.serving.http.page.page_world import Ask, Page, asked, explaining
from tests.unit.serving.http.service_world import World

TOKEN = "0123456789abcdef"


def test_the_token_is_asked_for_once_and_its_cookie_opens_the_page_alone() -> None:
    async def story(world: World, ask: Ask) -> None:
        explaining(world)
        sent = await ask()
        assert (sent.status, sent.headers["location"]) == (303, "/page/token")
        part = await ask(headers={"hx-request": "true"})
        assert (part.status, part.headers["hx-redirect"], part.body) == (401, "/page/token", b"")
        form = await ask("/page/token")
        assert (form.status, Page(form.body).values("token")) == (401, [None])
        wrong = await ask("/page/token", body=[b"token=0123456789abcdeg"])
        assert (wrong.status, "set-cookie" in wrong.headers) == (401, False)
        right = await ask("/page/token", body=[f"token={TOKEN}".encode()])
        cookie = right.headers["set-cookie"]
        assert (right.status, right.headers["location"]) == (303, "/")
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
        assert TOKEN not in cookie
        own = {"cookie": f"other=1; {cookie.partition(';')[0]}"}
        assert (await ask(headers=own)).status == 200
        assert (await ask("/page/users", headers=own)).status == 200
        assert (await ask("/v1/release", headers=own)).status == 401
        assert (await ask("/metrics", headers=own)).status == 401
        assert (await ask(headers={"cookie": "gatehouse_page="})).status == 303
        assert (await ask(headers={"authorization": f"Bearer {TOKEN}"})).status == 200

    asked(story, token=TOKEN)


def test_without_a_token_the_page_is_for_this_machine_alone() -> None:
    async def story(world: World, ask: Ask) -> None:
        explaining(world)
        assert (await ask(headers={"host": "evil.example"})).status == 421
        assert (await ask("/page/users", headers={"host": "evil.example"})).status == 421
        for host in ("localhost", "evil.example"):
            assert (await ask("/page/token", headers={"host": host})).status == 303

    asked(story)
