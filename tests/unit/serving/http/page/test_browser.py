"""The page in Debian's Chromium, over a service whose engine is no process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from feature_repo.events.sqlite_log import SqliteEventLog
from serving.http.access import Access
from serving.http.app import make_app
from serving.http.champion import RegistryReader
from serving.http.page.versions import Stored
from serving.http.second_engine import SecondEngine
from tests.unit.serving.http.page.page_world import ITEMS, NASTY, explaining, start_other, stored, turning
from tests.unit.serving.http.service_world import FACTS, World

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as BrowserPage

CHROMIUM = Path("/usr/bin/chromium")
TOKEN = "0123456789abcdef"
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if not CHROMIUM.exists():
    pytest.skip(f"{CHROMIUM} is not installed: apt-get install chromium", allow_module_level=True)

SHIFTS = """() => new Promise(done => new PerformanceObserver(list => done(
    list.getEntries().filter(each => !each.hadRecentInput).reduce((sum, each) => sum + each.value, 0)
)).observe({type: 'layout-shift', buffered: true}) || setTimeout(() => done(0), 300))"""
"""Sum of the layout shifts that no input explains."""
NAMELESS = """() => [...document.querySelectorAll('input:not([type=hidden]), select, button, meter')].filter(each =>
    !(each.labels?.length || each.textContent.trim() || each.getAttribute('aria-labelledby'))).length"""
"""Number of controls without a name."""
AT_ONCE = """() => new MutationObserver((_, observer) => {
    if (!document.querySelector('input[name=session]')) return;
    observer.disconnect();
    window.stayed = true;
    document.querySelector('#item-3').click();
}).observe(document.body, {childList: true, subtree: true})"""
"""Choose the third item in the moment when the list of the first choice is there."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> SqliteEventLog:
    """Log of the service."""
    return SqliteEventLog(tmp_path_factory.mktemp("events") / "log.db")


@pytest.fixture(scope="module")
def address(log: SqliteEventLog) -> Iterator[str]:
    yield from served(None, log)


def served(token: str | None, log: SqliteEventLog | None = None) -> Iterator[str]:
    """Serve the page on a free port of this machine; with a log, the list turns with every event."""
    world = World()
    world.log = log
    versions = RegistryReader[list[Stored]](lambda: [stored(2, 0.3), stored(1, 0.25)])
    second = SecondEngine(start_other, world.settings)
    made = make_app(world.service, Access(token), versions=versions, second=second)
    config = uvicorn.Config(made, log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not world.engines:
            assert thread.is_alive()
        if log:
            world.engines[0]._answer = turning(log)  # type: ignore[method-assign]
        else:
            explaining(world)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[BrowserPage]:
    """A page that notes what it must not do: errors, dialogs, requests to others."""
    with browser.new_context(viewport={"width": 360, "height": 740}) as context:
        page, wrong = context.new_page(), []
        # Chromium calls every status from 400 on an error.
        page.on("console", lambda each: None if "status of 422" in each.text else wrong.append(each.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message) or dialog.dismiss())
        page.on("request", lambda each: None if each.url.startswith((address, "data:")) else wrong.append(each.url))
        yield page
        assert wrong == []


def names(page: BrowserPage) -> list[str]:
    return page.locator(".item .name").all_text_contents()


def turned(turns: int) -> list[Any]:
    titles = [item["fields"]["title"] for item in ITEMS]
    return titles[turns:] + titles[:turns]


def test_by_keyboard_a_choice_changes_the_list_and_keeps_the_focus(page: BrowserPage, address: str) -> None:
    page.goto(f"{address}/")
    assert names(page) == turned(0)
    page.locator("#user").focus()
    for _ in range(6):  # filter, Show, Make one up, item 1, 2, 3
        page.keyboard.press("Tab")
    for turn in (1, 2):
        with page.expect_response(lambda reply: "click=" in reply.url):
            page.keyboard.press("Enter")
        page.locator("input[name=session]").nth(turn - 1).wait_for(state="attached")
        assert names(page) == turned(turn)
        assert page.evaluate("() => document.activeElement.id") == "item-3"
    assert "after 2 clicks" in page.get_by_role("status").text_content()
    page.go_back()
    page.locator("input[name=session]").nth(1).wait_for(state="detached")
    assert names(page) == turned(1)
    page.get_by_role("button", name="Forget the clicks").press("Enter")
    page.locator("input[name=session]").wait_for(state="detached")
    assert names(page) == turned(0)


def test_a_choice_in_the_moment_when_the_list_changes_loads_no_new_page(page: BrowserPage, address: str) -> None:
    page.goto(f"{address}/")
    page.evaluate(AT_ONCE)
    page.locator("#item-3").click()
    page.locator("input[name=session]").nth(1).wait_for(state="attached")
    assert page.evaluate("() => window.stayed")  # a new page knows nothing of it
    assert names(page) == turned(2)


def test_by_keyboard_a_known_user_clicks_and_the_event_changes_the_list(
    page: BrowserPage, address: str, log: SqliteEventLog
) -> None:
    page.goto(f"{address}/?user=bert")
    page.locator("#user").focus()
    for _ in range(7):  # filter, Show, Make one up, Only try, item 1, 2, 3
        page.keyboard.press("Tab")
    before = log.newest()
    for turn in (1, 2):
        with page.expect_response(lambda reply: "/page/click" in reply.url) as reply:
            page.keyboard.press("Enter")
        assert reply.value.status == 200
        page.get_by_text(f"click on {turned(turn - 1)[2]}").wait_for()
        assert names(page) == turned(turn)
        assert page.evaluate("() => document.activeElement.id") == "item-3"
    events = [each.event for each in log.read(before, 10)]
    assert [(each.user_id, each.item_id, each.position) for each in events] == [
        ("bert", ITEMS[number]["item_id"], 3) for number in (2, 3)
    ]
    assert page.url == f"{address}/?user=bert"
    page.reload()
    assert names(page) == turned(2)  # the events stay, and a reload posts nothing
    assert log.newest() == before + 2


def test_who_only_tries_leaves_no_event(page: BrowserPage, address: str, log: SqliteEventLog) -> None:
    page.goto(f"{address}/?user=carl")
    before = log.newest()
    page.get_by_label("Only try").press("Space")
    page.get_by_text("Choose an item, and the list changes.").wait_for()
    page.locator("#item-3").click()
    page.locator("input[name=session]").wait_for(state="attached")
    assert (names(page), log.newest()) == (turned(1), before)
    assert page.get_by_label("Only try").is_checked()


def test_another_version_stands_beside_and_follows_the_clicks(page: BrowserPage, address: str) -> None:
    page.goto(f"{address}/?user=dora")
    page.get_by_role("button", name="Compare").press("Enter")
    page.get_by_text("4 of 5 items are in both lists").wait_for()
    columns = page.locator(".lists ol")
    assert columns.nth(1).locator(".name").all_text_contents() == turned(0)[-2::-1]
    assert page.evaluate("() => document.documentElement.scrollWidth") == 360
    assert page.evaluate(NAMELESS) == 0
    page.locator("#item-1").click()
    page.get_by_text("click on").wait_for()
    page.get_by_text("4 of 5 items are in both lists").wait_for()
    assert columns.nth(0).locator(".name").all_text_contents() == turned(1)
    page.get_by_label("Compare with version").select_option("none")
    page.get_by_role("button", name="Compare").wait_for()


def test_a_user_is_picked_among_the_known_ones(page: BrowserPage, address: str) -> None:
    page.goto(f"{address}/")
    with page.expect_response(lambda reply: "/page/users" in reply.url):
        page.get_by_label("User").focus()
    page.locator("#known option").nth(1).wait_for(state="attached")
    with page.expect_response(lambda reply: "/page/users?user=ann" in reply.url):
        page.get_by_label("User").press_sequentially("ann")
    page.locator("#known option").nth(1).wait_for(state="detached")
    assert page.locator("#known option").get_attribute("value") == "anna"
    page.get_by_label("User").fill(NASTY)
    page.get_by_label("User").press("Enter")
    page.get_by_role("heading", name=f"Recommended for {NASTY}").wait_for()
    assert page.locator("img").count() == 0
    assert page.locator("input[name=session]").count() == 0  # Enter chose no item


def test_an_error_of_the_filter_takes_the_place_of_the_list_until_it_is_mended(page: BrowserPage, address: str) -> None:
    page.goto(f"{address}/")
    page.get_by_label("Filter").fill("price <")
    page.get_by_label("Filter").press("Enter")
    page.get_by_role("alert").wait_for()
    assert page.locator("mark").text_content() == "␣"
    page.get_by_label("Filter").fill("price < 3")
    page.get_by_label("Filter").press("Enter")
    page.locator("#item-5").wait_for()


def test_on_a_phone_nothing_is_cut_shifts_or_lacks_a_name(page: BrowserPage, address: str) -> None:
    page.goto(f"{address}/?user=anna")
    assert page.evaluate("() => document.documentElement.scrollWidth") == 360
    assert page.locator("#list").evaluate("each => each.offsetWidth") > 300  # one column
    assert page.evaluate(SHIFTS) < 0.01
    assert page.evaluate(NAMELESS) == 0
    heights = page.locator("button:visible").evaluate_all("all => all.map(each => each.offsetHeight)")
    assert min(heights) >= 32


@pytest.mark.parametrize("reason", ["W" * 300, "a reason of words " * 17, NASTY])
def test_an_override_of_any_form_fits_on_a_phone(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    monkeypatch.setitem(FACTS, "verdict", "failed")
    monkeypatch.setitem(FACTS, "override", reason)
    for address in served(None):
        with browser.new_context(viewport={"width": 360, "height": 740}) as context:
            page = context.new_page()
            page.goto(f"{address}/?user=anna")
            told = page.get_by_text(f"serves by an override: {reason.strip()}").count()
            width, pictures = page.evaluate("() => document.documentElement.scrollWidth"), page.locator("img").count()
    # After the loop, which ends the service: its thread would keep a test that fails from ending.
    assert (told, width, pictures) == (2, 360, 0)


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_the_page_is_dark_where_that_is_preferred(page: BrowserPage, address: str, scheme: Any, is_dark: bool) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{address}/")
    colour = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, colour.removeprefix("rgb(").rstrip(")").split(","))) < 3 * 128) == is_dark


def test_the_token_is_asked_for_once(browser: Browser) -> None:
    for address in served(TOKEN):
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(f"{address}/?user=anna")
            page.get_by_label("Token").fill(TOKEN)
            page.get_by_role("button", name="Open").click()
            page.get_by_role("heading", name="Recommended").wait_for()
            page.goto(f"{address}/?user=anna")
            assert names(page) == turned(0)
            assert page.evaluate("() => document.cookie") == ""
