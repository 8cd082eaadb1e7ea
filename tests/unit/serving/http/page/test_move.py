"""The button that rolls back: for this page alone, from the version that it shows, one at a time."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from serving.http.mover import ChampionMover
from tests.unit.serving.http.page.page_world import NASTY, Ask, Page, asked
from tests.unit.serving.http.service_world import Reply, World

HTMX = {"hx-request": "true"}


def mover(folder: Path, **told: object) -> ChampionMover:
    """A mover whose process writes its arguments to a file, and tells this."""
    script = f"import sys; open({str(folder / 'asked')!r}, 'a').write(sys.argv[1]); print({json.dumps(told)!r})"
    return ChampionMover(lambda serves: (sys.executable, "-c", script, f"{serves};"), folder / "moves.log")


def moves(folder: Path) -> str:
    path = folder / "asked"
    return path.read_text() if path.exists() else ""


async def press(ask: Ask, headers: Mapping[str, str], body: bytes = b"serves=1") -> Reply:
    """Press the button of the page of version 1."""
    return await ask("/page/rollback", method="POST", headers=headers, body=[body])


def test_the_card_has_the_button_for_the_version_that_it_shows(tmp_path: Path) -> None:
    async def story(world: World, ask: Ask) -> None:
        page = Page((await ask()).body)
        assert page.values("serves") == ["1"]
        assert "Roll back from version 1" in page.text

    asked(story, mover=mover(tmp_path))

    async def without(world: World, ask: Ask) -> None:
        assert "Roll back" not in Page((await ask()).body).text
        assert (await press(ask, HTMX)).status == 404

    asked(without)


def test_it_rolls_back(tmp_path: Path) -> None:
    async def story(world: World, ask: Ask) -> None:
        reply = await press(ask, HTMX)
        assert (reply.status, moves(tmp_path)) == (200, "1;")
        assert "Version 7 is the champion." in Page(reply.body).text
        plain = await press(ask, {"sec-fetch-site": "same-origin"})
        assert (plain.status, plain.headers["location"]) == (303, "/")

    asked(story, mover=mover(tmp_path, champion=7))


@pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}])
def test_no_other_site_has_a_browser_roll_back(tmp_path: Path, headers: dict[str, str]) -> None:
    """A form of another site reaches loopback too, and sets no header."""

    async def story(world: World, ask: Ask) -> None:
        reply = await press(ask, headers)
        assert (reply.status, moves(tmp_path)) == (403, "")
        foreign = await press(ask, {**HTMX, "host": "evil.example"})
        assert (foreign.status, moves(tmp_path)) == (421, "")

    asked(story, mover=mover(tmp_path, champion=7))


def test_where_a_token_is_needed_it_needs_it(tmp_path: Path) -> None:
    async def story(world: World, ask: Ask) -> None:
        refused = await press(ask, HTMX)
        assert (refused.status, moves(tmp_path)) == (401, "")
        token = {**HTMX, "authorization": "Bearer a-token-of-more-than-sixteen"}
        assert (await press(ask, token)).status == 200
        assert moves(tmp_path) == "1;"

    asked(story, "a-token-of-more-than-sixteen", mover=mover(tmp_path, champion=7))


@pytest.mark.parametrize("body", [b"", b"serves=", b"serves=-1", b"serves=1%20--x", b"serves=" + b"9" * 10])
def test_it_takes_a_version_and_nothing_else(tmp_path: Path, body: bytes) -> None:
    async def story(world: World, ask: Ask) -> None:
        reply = await press(ask, HTMX, body)
        assert (reply.status, moves(tmp_path)) == (422, "")

    asked(story, mover=mover(tmp_path, champion=7))


def test_a_refusal_is_shown_as_text(tmp_path: Path) -> None:
    async def story(world: World, ask: Ask) -> None:
        reply = await press(ask, HTMX)
        assert reply.status == 409
        assert Page(reply.body).tags() == {"p"}
        assert NASTY in Page(reply.body).text

    asked(story, mover=mover(tmp_path, problem=NASTY))


def test_one_rollback_at_a_time(tmp_path: Path) -> None:
    """A double click goes back by one."""

    async def story(world: World, ask: Ask) -> None:
        both = await asyncio.gather(*(press(ask, HTMX) for _ in range(2)))
        assert sorted(each.status for each in both) == [200, 409]
        assert moves(tmp_path) == "1;"

    asked(story, mover=mover(tmp_path, champion=7))


def test_a_process_that_says_nothing_is_named_with_its_log(tmp_path: Path) -> None:
    silent = ChampionMover(lambda serves: (sys.executable, "-c", "raise SystemExit(1)"), tmp_path / "moves.log")

    async def story(world: World, ask: Ask) -> None:
        reply = await press(ask, HTMX)
        assert reply.status == 409 and "moves.log" in Page(reply.body).text

    asked(story, mover=silent)
