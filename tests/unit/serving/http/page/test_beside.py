"""The version that serves beside another one: which, both lists, what moved, and what may go wrong."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serving.http.engine_process import EngineRefusedError
from serving.http.page import versions as versions_module
from serving.http.page.versions import moved, pair, versions_read
from serving.registry import OUTCOME, OVERRIDE
from serving.settings import Settings
from tests.unit.serving.http.page.page_world import ITEMS, NASTY, Ask, Page, asked, explaining, start_other, stored
from tests.unit.serving.http.service_world import World

VERSIONS = [stored(3, 0.3), stored(2, 0.1, verdict="passed"), stored(1, 0.25)]


def shown_beside(query: dict[str, Any], **options: Any) -> Page:
    """The part of the page that compares."""
    pages = []

    async def story(world: World, ask: Ask) -> None:
        explaining(world)
        reply = await ask("/page/beside", query)
        assert reply.status == 200
        pages.append(Page(reply.body))

    asked(story, **({"versions": lambda: VERSIONS} | options))
    return pages[0]


def test_both_lists_are_shown_with_what_moved() -> None:
    page = shown_beside({"user": "anna", "beside": "newest"})
    titles = [item["fields"]["title"] for item in ITEMS]
    assert "4 of 5 items are in both lists" in page.text
    own, _, other = page.text.partition("Version 3, failed")
    assert [own.index(title) for title in titles] == sorted(own.index(title) for title in titles)
    assert f"{titles[4]} only here" in own
    moves = ["up 3", "up 1", "down 1", "down 3"]
    for title, move in zip(titles[3::-1], moves, strict=True):
        assert f"{title} {move}" in other


def test_a_filter_and_a_session_count_for_both() -> None:
    page = shown_beside({"user": "u", "of": "u", "session": ["a"], "beside": "newest"})
    own = page.text.partition("Version 1, serves")[2].partition("Version 3")[0]
    assert own.index("Thing 4") < own.index("Thing 0")  # turned by the one item
    assert "wanted a value" in shown_beside({"filter": "price <", "beside": "newest"}).text


def test_any_version_can_be_chosen_and_the_hold_out_is_compared() -> None:
    newest, chosen = (shown_beside({"beside": which}) for which in ("newest", "2"))
    for page, version in ((newest, "3"), (chosen, "2")):
        selected = [each.get("value") for tag, each in page.elements if tag == "option" and "selected" in each]
        assert selected == [version]
        assert [each.get("value") for tag, each in page.elements if tag == "option"] == ["3", "2", "none"]
    assert "all/recall@20 0.2500 0.3000 +0.0500" in newest.text
    assert "all/recall@20 0.2500 0.1000 -0.1500" in chosen.text
    assert "img" not in newest.tags()  # the reasons are escaped


def test_an_override_of_either_version_is_shown_and_escaped() -> None:
    assert "override" not in shown_beside({"beside": "newest"}).text
    both = [stored(2, 0.3, override=NASTY), stored(1, 0.25, override="in a hurry")]
    page = shown_beside({"beside": "newest"}, versions=lambda: both)
    assert "Version 1 was promoted against the gate, by an override: in a hurry" in page.text
    assert f"Version 2 was promoted against the gate, by an override: {NASTY}" in page.text
    assert "2, failed, override" in page.text
    assert "img" not in page.tags()


def test_stored_versions_have_their_override(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = {"created": "", "metrics": {}, "verdict": {"outcome": "failed", "reasons": []}}
    tags: dict[int, dict[str, str]] = {2: {OUTCOME: "failed", OVERRIDE: "in\na hurry"}, 1: {OUTCOME: "failed"}}
    listed = [SimpleNamespace(version=version, outcome="failed", tags=each) for version, each in tags.items()]
    registry = SimpleNamespace(
        listing=lambda: SimpleNamespace(versions=listed),
        read_text=lambda version, _: json.dumps(manifest | {"version": version}),
    )
    monkeypatch.setattr(versions_module, "open_registry", lambda *_: registry)
    read = versions_read(Settings(home=tmp_path, mlflow_uri=""), "shop")
    assert [(each["version"], each["override"]) for each in read()] == [(2, "in a hurry"), (1, None)]


def test_without_another_version_or_the_registry_it_is_said() -> None:
    def away() -> Any:
        raise OSError("no route")

    assert "No other version is sealed" in shown_beside({}, versions=lambda: VERSIONS[2:]).text
    page = shown_beside({"beside": "2"}, versions=away)
    assert "the registry cannot be read: no route" in page.text
    assert page.values("beside") == ["2"]  # and stays chosen


def test_a_version_that_cannot_be_loaded_leaves_the_metrics() -> None:
    async def refusing(_: int) -> Any:
        raise EngineRefusedError("its files changed")

    page = shown_beside({"beside": "2"}, start=refusing)
    assert "version 2 cannot be loaded: its files changed" in page.text
    assert "all/recall@20" in page.text


def test_the_page_asks_for_it_only_where_it_is_wanted() -> None:
    started: list[int] = []

    async def start(version: int) -> Any:
        started.append(version)
        return await start_other(version)

    async def story(world: World, ask: Ask) -> None:
        explaining(world)
        closed, opened = [Page((await ask(query=query)).body) for query in ({}, {"beside": "2"})]
        assert closed.values("beside") == ["newest"]  # of the button
        assert opened.values("beside") == ["2"]
        assert "/page/beside" in [each.get("hx-get") for _, each in opened.elements]
        assert Page((await ask(query={"beside": "none"})).body).values("beside") == ["newest"]
        assert started == []

    asked(story, versions=lambda: VERSIONS, start=start)


@pytest.mark.parametrize(("serves", "wanted", "other"), [(1, "newest", 3), (3, "", 2), (1, "2", 2), (1, "9", 3)])
def test_the_newest_other_version_stands_for_one_that_is_not_there(serves: int, wanted: str, other: int) -> None:
    both = pair(VERSIONS, serves, wanted)
    assert both and [each["version"] for each in both] == [serves, other]


def test_a_metric_of_one_version_alone_is_left_out_and_an_unknown_one_does_not_move() -> None:
    (metric,) = moved(stored(1, None), stored(2, 0.5))
    assert (metric["name"], metric["moved"], metric["is_main"]) == ("all/recall@20", None, True)
