"""Clicks that change the next answer, through the front, the log, the consumer and the engine."""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any
from urllib.parse import urlencode

import psutil
import pytest

from feature_repo.events.sqlite_log import SqliteEventLog
from serving.settings import Settings
from tests.integration.fresh_world import click, fresh_release, fresh_tables, history_of
from tests.integration.release_world import DATASET, ITEMS
from tests.integration.serving_world import SECONDS, Served, serving

pytestmark = pytest.mark.timeout(240)
NUMBERS = count()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return fresh_release(tmp_path_factory.mktemp("fresh"), fresh_tables())


@pytest.fixture(scope="module")
def served(home: Settings) -> Iterator[Served]:
    with serving(home) as served:
        served.wait(1)
        yield served


def ask(served: Served, user: str, query: str = "k=5") -> dict[str, Any]:
    status, told, _ = served.get(f"/v1/recommendations/{user}?{query}")
    assert status == 200, told
    return dict(told)


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def post(served: Served, *events: dict[str, Any]) -> dict[str, Any]:
    status, told, _ = served.get("/v1/events", list(events))
    assert status == 200, told
    return dict(told)


def another_item(answer: dict[str, Any], history: dict[str, int]) -> str:
    """The last item of the user's department that is in neither."""
    liked = [item for item in ITEMS["item_id"].to_list() if item[:4] == ids(answer)[0][:4]]
    return str(next(item for item in reversed(liked) if item not in {*ids(answer), *history}))


def test_a_click_changes_the_next_answer_and_a_seen_item_can_stay_out(served: Served, home: Settings) -> None:
    before = ask(served, "user001")
    item = another_item(before, history_of(home, "user001"))
    assert item in ids(ask(served, "user001", "k=40&exclude_seen=true"))
    event = click(next(NUMBERS), "user001", item) | {"request_id": before["request_id"], "position": 1}
    assert post(served, event)["accepted"] == 1
    after = until(lambda: ids(told := ask(served, "user001")) != ids(before) and told)
    assert item in ids(after)
    assert (before["flags"].keys(), after["flags"]) == ({"stale"}, {})  # the data of the load is old
    assert history_of(home, "user001")[item] == 1
    assert item not in ids(ask(served, "user001", "k=40&exclude_seen=true"))
    assert ids(ask(served, "user002")) == ids(ask(served, "user002"))


def test_a_click_on_the_page_is_an_event_that_its_next_list_shows(served: Served, home: Settings) -> None:
    before = ask(served, "user004", "k=12")
    item = ids(before)[2]
    count = history_of(home, "user004").get(item, 0)
    form = urlencode({"of": "user004", "click": item}).encode()
    address = f"{served.address}/page/click?request={before['request_id']}&position=3"
    asked = urllib.request.Request(address, form, {"HX-Request": "true"})
    with urllib.request.urlopen(asked, timeout=SECONDS) as reply:
        shown = reply.read().decode()
    assert "in the features after" in shown
    assert history_of(home, "user004")[item] == count + 1
    assert re.findall(r'name="click" value="([^"]+)"', shown) == ids(ask(served, "user004", "k=12"))


def test_an_unknown_user_gets_personal_answers_after_the_first_event(served: Served) -> None:
    liked = {"newfood": "food19", "newtoys": "toys19"}
    assert [ask(served, user)["flags"].keys() for user in liked] == [{"unknown"}] * 2
    post(served, *(click(next(NUMBERS), user, item) for user, item in liked.items()))
    ranks: dict[str, dict[str, int]] = {}
    for user in liked:
        told = until(lambda user=user: (told := ask(served, user, "k=40"))["source"] == "two_tower" and told)
        assert told["flags"] == {}
        ranks[user] = {item: rank for rank, item in enumerate(ids(told))}
    assert ranks["newfood"]["food19"] < ranks["newtoys"]["food19"]
    assert ranks["newtoys"]["toys19"] < ranks["newfood"]["toys19"]


def test_a_consumer_that_is_killed_loses_nothing_and_counts_nothing_twice(served: Served, home: Settings) -> None:
    user, item = "user003", another_item(ask(served, "user003"), history_of(home, "user003"))
    events = [click(next(NUMBERS), user, item) for _ in range(3)]
    post(served, events[0])
    (consumer,) = until(served.consumers)
    consumer.kill()
    post(served, events[1], events[2])
    assert post(served, *events)["known"] == [event["event_id"] for event in events]
    until(lambda: history_of(home, user).get(item, 0) >= 3)
    (restarted,) = until(served.consumers)
    assert restarted.pid != consumer.pid
    assert served.metric("gatehouse_consumer_deaths_total") == 1
    served.until(lambda state: not state["problems"])
    until(lambda: served.metric("gatehouse_consumer_lag_events") == 0)
    assert history_of(home, user)[item] == 3
    assert served.metric('gatehouse_events_total{outcome="known"}') == 3


def test_a_disk_that_takes_no_more_refuses_events_and_loses_none(served: Served, home: Settings) -> None:
    log, front = SqliteEventLog(home.event_log(DATASET)), psutil.Process(served.process.pid)
    post(served, click(next(NUMBERS), "user004", "food00"))
    former, event = log.newest(), click(next(NUMBERS), "user004", "food01")
    front.rlimit(psutil.RLIMIT_FSIZE, (1, psutil.RLIM_INFINITY))
    try:
        status, told, headers = served.get("/v1/events", event)
        assert (status, headers["Retry-After"]) == (503, "5")
        assert "nothing of this request was kept" in told["error"]
        assert "events" in served.state()["problems"]
        assert ask(served, "user004")["source"] == "two_tower"
        assert log.newest() == former
    finally:
        front.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
    assert post(served, event)["known"] == []
    assert log.newest() == former + 1
    assert "events" not in served.state()["problems"]


def test_the_consumer_ends_with_the_service(served: Served) -> None:
    """The last test on this service."""
    (consumer,) = served.consumers()
    served.process.terminate()
    assert served.process.wait(30) == 0
    assert not consumer.is_running()
