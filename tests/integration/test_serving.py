"""`gatehouse serve` with its front, its engines and its sockets."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
import pytest

from feature_repo.store.sqlite_online import open_store
from orchestration.cli.release import as_data
from serving.engine.low_priority import LOW
from serving.index.base import Fields
from serving.open import open_retriever
from serving.registry import Registry
from serving.release.collection import open_served_index
from serving.release.load import Release
from serving.release.promotion import promote, rollback
from serving.retriever import Retriever
from serving.settings import Settings
from tests.integration.release_world import DATASET, register, schema, seal_as, write_artifacts
from tests.integration.serving_client import USERS, Client
from tests.integration.serving_world import ROOT, SECONDS, Served, command, environment, released_home, serving

pytestmark = pytest.mark.timeout(240)


@contextmanager
def background(work: Callable[[], Any]) -> Iterator[Future[Any]]:
    """Do something beside a block."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(work)


def holding(served: Served) -> psutil.Process:
    """Stop the engine, so that requests wait."""
    (engine,) = served.engines()
    engine.suspend()
    return engine


def recommend(home: Settings, *arguments: str) -> str:
    """What `gatehouse recommend` prints."""
    line = [sys.executable, "-m", "orchestration.cli", "recommend", "--dataset", DATASET, *arguments]
    return subprocess.run(line, env=environment(home), capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return released_home(tmp_path_factory.mktemp("serving"), versions=2)


@pytest.fixture(scope="module")
def served(home: Settings) -> Iterator[Served]:
    with serving(home, "--no-consumer", queue_users=40, wait_seconds=30, second_engine_seconds=1) as served:
        served.wait(1)
        yield served


def test_answers_are_those_of_the_retriever(served: Served, home: Settings) -> None:
    where, users = 'department == "food" or price < 3', [*USERS, "nobody"]
    _, many, _ = served.get("/v1/recommendations", {"user_ids": users, "k": 7, "filter": where})
    with open_retriever(home, DATASET) as retriever:
        for user, told in zip(users, many["answers"], strict=True):
            wanted = retriever.recommend(user, 7, where)
            items = [
                {"item_id": item.item_id, "score": item.score, "fields": item.fields, "propensity": 1.0}
                for item in wanted.items
            ]
            asked = urlencode({"k": 7, "filter": where})
            status, one, headers = served.get(f"/v1/recommendations/{user}?{asked}")
            assert (status, one["items"], one["source"], one["version"]) == (200, items, wanted.source, 1)
            assert one["request_id"] == headers["X-Request-Id"]
            assert {name: one[name] for name in told} == told
            stages = {"queue", "features", "engine"}
            stages |= {"encode", "tower", "search", "rank"} if one["source"] == "two_tower" else set()
            assert one["timings_ms"].keys() == stages


def test_the_command_is_answered_by_the_service_as_it_would_answer_itself(served: Served, home: Settings) -> None:
    with open_retriever(home, DATASET) as retriever:
        for user in (USERS[0], "nobody"):
            told = json.loads(recommend(home, user, "-k", "3", "--where", "price < 5", "--json"))
            assert (told.pop("answered_by"), told.pop("override")) == (f"the service at {served.address}", None)
            assert told == as_data(retriever.recommend(user, 3, "price < 5"))
    *_, last = recommend(home, USERS[0], "-k", "2000").splitlines()  # more than the service gives
    assert last.startswith("answered by this command: ")
    assert "k is 2,000, wanted 1 to 1,000" in last


def test_the_page_shows_a_failed_version_beside_the_champion_by_a_second_engine_that_ends(
    served: Served, home: Settings, tmp_path: Path
) -> None:
    folder = write_artifacts(tmp_path / "artifacts", schema(), slope=3.0)
    failed = register(home, folder, input_key="failed")
    seal_as(home, failed, "failed")
    with urllib.request.urlopen(
        f"{served.address}/page/beside?user={USERS[0]}&beside={failed}", timeout=SECONDS
    ) as reply:
        shown = html.unescape(reply.read().decode())
    _, other = shown.split(f"<h3>Version {failed}, failed</h3>")
    names = re.findall(r'class="name">([^<]+)<', other)
    release = Release.load(home, DATASET, failed, quick_start=True)
    with open_served_index(home, release.manifest, Fields.of(release.schema)) as index:
        retriever = Retriever(release, open_store(release.schema, home.feast_home), index)
        wanted = [item.fields["department"] for item in retriever.recommend(USERS[0], 12).items]
    assert names == wanted
    deadline = time.monotonic() + SECONDS
    while len(served.engines()) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert served.state()["version"] == 1


def test_promotion_and_rollback_under_load_drop_and_mix_nothing(served: Served, home: Settings) -> None:
    clients = [Client(served, number) for number in range(8)]
    for client in clients:
        client.start()
    try:
        for move, version in ((lambda: promote(home, DATASET, 2), 2), (lambda: rollback(home, DATASET), 1)):
            move()
            served.wait(version)
            for client in clients:
                client.wait(version)
    finally:
        for client in clients:
            client.stop()
    assert [problem for client in clients for problem in client.problems] == []
    lists: dict[tuple[int, str], set[str]] = {}
    for client in clients:
        assert [version for version, _ in groupby(client.answers, lambda told: told["version"])] == [1, 2, 1]
        for told in (each for whole in client.answers for each in whole.get("answers", [whole])):
            lists.setdefault((told["version"], told["user_id"]), set()).add(json.dumps(told["items"]))
    assert {len(found) for found in lists.values()} == {1}
    assert all(lists[1, user] != lists[2, user] for user in USERS)
    assert len(served.engines()) == 1  # the old ones have ended


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_an_engine_is_loaded_at_low_priority_beside_one_that_answers(served: Served, home: Settings) -> None:
    usual = os.getpriority(os.PRIO_PROCESS, served.process.pid)
    (former,) = served.engines()
    for version in (2, 1):
        with background(partial(promote, home, DATASET, version)) as moved:
            assert seen_values(served, former, partial(has_ended, former)) == {usual, LOW}
            moved.result()
        (former,) = served.engines()
        assert set(nice_values(former.pid)) == {usual}
    # Linux weighs priorities within a session only.
    assert os.getsid(former.pid) == os.getsid(served.process.pid)
    assert served.state()["version"] == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_where_no_engine_answers_the_next_is_loaded_at_the_usual_priority(served: Served) -> None:
    usual = os.getpriority(os.PRIO_PROCESS, served.process.pid)
    (former,) = served.engines()
    former.kill()

    def is_back() -> bool:
        return [each for each in served.engines() if each.pid != former.pid] != [] and served.get("/readyz")[0] == 200

    assert seen_values(served, former, is_back) == {usual}


def has_ended(engine: psutil.Process) -> bool:
    return not engine.is_running()


def seen_values(served: Served, former: psutil.Process, is_over: Callable[[], bool]) -> set[int]:
    """Niceness of all threads of new engines until something is over."""
    deadline, found = time.monotonic() + SECONDS, set()
    while not is_over():
        assert time.monotonic() < deadline
        for engine in served.engines():
            if engine.pid != former.pid:
                found |= set(nice_values(engine.pid))
    return found


def nice_values(pid: int) -> list[int]:
    """Niceness of each thread of a process, as far as it lives."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            found.append(os.getpriority(os.PRIO_PROCESS, int(task.name)))
    return found


def test_a_release_that_was_changed_is_refused_while_the_former_serves(served: Served, home: Settings) -> None:
    registry = Registry(home, DATASET)
    file = registry.download(2) / "user_encoder.json"
    whole = file.read_bytes()
    file.write_bytes(whole + b" ")
    registry.set_champion(2)
    problem = served.until(lambda state: "release" in state["problems"])["problems"]["release"]
    assert "version 2 is refused" in problem
    assert "user_encoder.json" in problem
    assert served.get(f"/v1/recommendations/{USERS[0]}")[1]["version"] == served.state()["version"] == 1
    assert served.metric("gatehouse_release_refusals_total") >= 1
    assert (served.metric("gatehouse_release_version"), served.metric("gatehouse_champion_version")) == (1, 2)
    assert "version 2 is refused" in (home.home / "logs" / "serve.log").read_text()
    registry.set_champion(1)
    served.until(lambda state: not state["problems"])
    file.write_bytes(whole)


def test_an_engine_that_is_killed_leaves_flagged_answers_and_comes_back(served: Served) -> None:
    (engine,) = served.engines()
    engine.kill()
    answers = [served.get(f"/v1/recommendations/{USERS[0]}?k=2") for _ in range(3)]
    for status, told, _ in answers:
        assert (status, told["source"], told["version"]) == (200, "popular", 1)
        assert told["flags"].keys() == {"degraded"}
        assert [item["item_id"] for item in told["items"]] == ["toys05", "food01"]
    status, told, headers = served.get(f"/v1/recommendations/{USERS[0]}?filter=price%3C3")
    assert (status, headers["Retry-After"]) == (503, "5")
    assert served.get("/readyz")[0] == 503
    served.wait(1)
    assert served.get(f"/v1/recommendations/{USERS[0]}")[1]["source"] == "two_tower"
    assert served.metric('gatehouse_flagged_answers_total{flag="degraded"}') == 3


def test_an_overloaded_service_refuses_at_once_and_answers_what_it_took(served: Served) -> None:
    asked = {"user_ids": USERS * 3, "k": 1}
    engine = holding(served)
    with ThreadPoolExecutor(2) as pool:
        try:
            taken = [pool.submit(served.get, "/v1/recommendations", asked) for _ in range(2)]
            while served.metric("gatehouse_load_users") < 36:
                time.sleep(0.01)
            started = time.monotonic()
            refused = [served.get("/v1/recommendations", asked) for _ in range(5)]
            assert time.monotonic() - started < 5
        finally:
            engine.resume()
        assert {(status, headers["Retry-After"]) for status, _, headers in refused} == {(503, "1")}
        assert [each.result()[0] for each in taken] == [200, 200]
    assert served.metric("gatehouse_load_users") == 0
    assert served.get("/v1/recommendations", asked)[0] == 200


def test_a_second_service_on_the_port_ends_with_one_line(served: Served, home: Settings) -> None:
    port = served.address.rpartition(":")[2]
    done = command(home, "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert f"cannot listen on 127.0.0.1, port {port}" in done.stderr


def test_other_hosts_need_a_token(home: Settings) -> None:
    done = command(home, "--host", "0.0.0.0", "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "wanted a bearer token" in done.stderr


def test_the_front_imports_nothing_that_computes() -> None:
    code = "import sys, serving.http.server; print({'torch', 'numpy', 'polars', 'mlflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_an_end_in_the_middle_of_a_request_finishes_it(served: Served) -> None:
    """The last test on this service."""
    engine = holding(served)
    with background(lambda: served.get(f"/v1/recommendations/{USERS[0]}")) as asked:
        try:
            while served.metric("gatehouse_load_users") < 1:
                time.sleep(0.01)
            served.process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        finally:
            engine.resume()
        assert (asked.result()[0], asked.result()[1]["source"]) == (200, "two_tower")
    assert served.process.wait(30) == 0
    assert not engine.is_running()
