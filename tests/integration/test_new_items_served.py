"""New and hidden items of a running `gatehouse serve`: found within seconds, through a swap, a crash and a restart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from feature_repo.items.store import ItemStore
from serving.release.promotion import promote
from serving.settings import Settings
from tests.integration.fresh_world import SCHEMA, click, fresh_release, fresh_tables
from tests.integration.release_world import DATASET, register, seal_as, write_artifacts
from tests.integration.serving_world import SECONDS, Served, environment, serving

pytestmark = pytest.mark.timeout(300)
GOAL_SECONDS = 5.0
CLI = (sys.executable, "-m", "orchestration.cli", "items")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("served")
    settings = fresh_release(root, fresh_tables(8))
    seal_as(settings, register(settings, write_artifacts(root / "other", SCHEMA, slope=0.02), input_key="other"))
    return settings


@pytest.fixture(scope="module")
def served(home: Settings) -> Iterator[Served]:
    with serving(home) as served:
        served.wait(1)
        yield served


def command(home: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [*CLI, *arguments, "--dataset", DATASET, "--json"]
    return subprocess.run(line, env=environment(home), capture_output=True, text=True, timeout=SECONDS)


def send(served: Served, method: str, path: str) -> Any:
    request = urllib.request.Request(served.address + path, method=method)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.loads(answer.read())


def items_of(served: Served, user: str = "user000", query: str = "k=60") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = served.get(f"/v1/recommendations/{user}?{query}")[1]["items"]
    return found


def ids(served: Served, user: str = "user000", query: str = "k=60") -> list[str]:
    return [item["item_id"] for item in items_of(served, user, query)]


def until(holds: Callable[[], Any], seconds: float = SECONDS) -> float:
    """Seconds until something holds."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < seconds
        time.sleep(0.02)
    return time.monotonic() - started


def test_a_posted_item_is_in_the_next_answer(served: Served) -> None:
    status, told, _ = served.get("/v1/items", {"item_id": "posted/1", "department": "food", "price": 3.5})
    assert (status, told["items"], told["searchable"]) == (200, [{"item_id": "posted/1", "outcome": "new"}], True)
    assert told["timings_ms"]["searchable"] < 1_000 * GOAL_SECONDS
    (new,) = [item for item in items_of(served) if item.get("new")]
    assert (new["item_id"], new["fields"]) == ("posted/1", {"department": "food", "price": 3.5})
    assert ids(served, query="k=5&filter=price+%3D%3D+3.5") == ["posted/1"]
    status, similar, _ = served.get("/v1/items/posted/1/similar?k=2")
    assert (status, len(similar["items"])) == (200, 2)
    status, told, _ = served.get("/v1/items", {"item_id": "x", "department": "food", "price": "cheap"})
    assert (status, told["field"]) == (422, "price")


def test_an_event_of_a_new_item_is_seen(served: Served) -> None:
    served.get("/v1/items", {"item_id": "clicked", "department": "food", "price": 2.5})
    assert "clicked" in ids(served, query="k=60&exclude_seen=true")
    assert served.get("/v1/events", click(1, "user000", "clicked"))[0] == 200
    until(lambda: "clicked" not in ids(served, query="k=60&exclude_seen=true"))
    assert "clicked" in ids(served)


def test_commands_of_another_process_reach_the_service(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text('{"item_id": "filed", "department": "toys", "price": 1}\n{"item_id": "food00", "price": 1}\n')
    done = command(served.settings, "add", str(path))
    assert json.loads(done.stdout) == {"dataset": DATASET, "new": 2, "replaced": 0, "known": 0}
    assert until(lambda: "filed" in ids(served)) < GOAL_SECONDS
    hidden = command(served.settings, "hide", "filed", "food01")
    assert json.loads(hidden.stdout) == {"dataset": DATASET, "hidden": 2}
    assert not {"filed", "food01"} & set(ids(served))
    listed = json.loads(command(served.settings, "list").stdout)
    assert listed["hidden"].keys() == {"filed", "food01"}
    assert {"filed", "food00"} <= listed["new"].keys()
    command(served.settings, "show", "filed", "food01")
    assert {"filed", "food01"} <= set(ids(served))
    wrong = command(served.settings, "hide", "food01", "file")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("gatehouse: no item 'file'; the nearest ids are 'filed'")
    assert ItemStore(served.settings.item_store(DATASET)).hidden() == {}


def test_items_are_hidden_over_http_from_the_next_answer_on(served: Served) -> None:
    assert send(served, "PUT", "/v1/items/food02/hidden")["hidden"]
    assert "food02" not in ids(served)
    assert not send(served, "DELETE", "/v1/items/food02/hidden")["hidden"]
    assert "food02" in ids(served)


def test_new_and_hidden_items_outlive_a_swap_and_a_crash(home: Settings) -> None:
    with serving(home, "--no-consumer") as served:
        served.wait(1)
        served.get("/v1/items", {"item_id": "carried", "department": "food", "price": 7.5})
        send(served, "PUT", "/v1/items/food03/hidden")
        promote(home, DATASET, 2)
        served.wait(2)
        assert "carried" in (found := ids(served)) and "food03" not in found
        until(lambda: len(served.engines()) == 1)  # the old one has ended
        (engine,) = served.engines()
        engine.kill()
        until(lambda: [each for each in served.engines() if each.pid != engine.pid] and served.state()["ready"])
        assert "carried" in (found := ids(served)) and "food03" not in found
        os.kill(served.process.pid, 9)
    with serving(home, "--no-consumer") as served:
        served.wait(2)
        assert "carried" in (found := ids(served)) and "food03" not in found
        send(served, "DELETE", "/v1/items/food03/hidden")
    promote(home, DATASET, 1)
