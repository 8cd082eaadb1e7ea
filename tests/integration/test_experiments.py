"""An experiment from end to end: `gatehouse serve` answers by variant, and the report finds what it logged."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psutil
import pytest

from feature_repo.utc import present_time
from serving.experiments.exposure import Exposure
from serving.experiments.exposure_log import read_lines
from serving.settings import Settings
from tests.integration.release_world import DATASET, register, seal_as
from tests.integration.serving_world import SECONDS, Served, command, environment, released_home, serving

pytestmark = pytest.mark.timeout(240)
KNOWN = [f"user{n:02}" for n in range(40)]
WINDOW_DAYS = 0.0001
"""8.64 seconds."""
VERSION = {"now": 1, "two": 2}
VARIANTS = "{now: {serves: champion, weight: 1}, two: {serves: 2, weight: 1}}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Home with version 1 as champion, another as version 2, the same again as 3, and one that failed as 4."""
    root = tmp_path_factory.mktemp("experiments")
    settings = released_home(root, versions=2)
    again = root / "artifacts1"
    seal_as(settings, register(settings, again, input_key="again"))
    seal_as(settings, register(settings, again, input_key="failed"), "failed")
    return settings


@pytest.fixture(scope="module")
def served(home: Settings) -> Iterator[Served]:
    with serving(home, "--no-consumer", max_users=400, queue_users=2_000, variant_seconds=30) as served:
        served.wait(1)
        yield served


def begin(served: Served, name: str, *versions: int, variants: str = VARIANTS, **keys: Any) -> None:
    """Let an experiment run in the service, and wait for its engines."""
    start = present_time() - timedelta(days=1)
    given = {"start": start.isoformat(), "end": (start + timedelta(days=30)).isoformat(), **keys}
    lines = [f"  {key}: {json.dumps(value)}" for key, value in ({"window_days": WINDOW_DAYS} | given).items()]
    text = "\n".join([f"{name}:", *lines, f"  variants: {variants}", ""])
    (served.settings.home / "experiments.yaml").write_text(text)
    served.until(lambda state: (state["experiment"], state["beside"]) == (name, list(versions)))


def ask(served: Served, users: list[str], **options: Any) -> dict[str, dict[str, Any]]:
    """Answers by user of one request; each with its request id."""
    status, body, _ = served.get("/v1/recommendations", {"user_ids": users, "k": 5, **options})
    assert status == 200, body
    return {each["user_id"]: each | {"request_id": body["request_id"]} for each in body["answers"]}


def click(served: Served, answers: list[dict[str, Any]], rank: int = 1) -> None:
    """Click an item of each answer."""
    events = [
        {"event_id": f"{each['request_id']}{each['user_id']}", "kind": "click", "user_id": each["user_id"]}
        | {"item_id": each["items"][rank - 1]["item_id"], "request_id": each["request_id"], "position": rank}
        for each in answers
    ]
    assert served.get("/v1/events", events)[1]["accepted"] == len(events)


def exposures(served: Served, name: str, number: int) -> list[Exposure]:
    """Wait for the exposures of an experiment."""
    deadline = time.monotonic() + SECONDS
    while len(lines := read_lines(served.settings.exposure_log(DATASET), name)) < number:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return [Exposure.from_json(line) for line in lines]


def report(served: Served, name: str) -> dict[str, Any]:
    """Report of the command, once all windows are over."""
    time.sleep(WINDOW_DAYS * 86_400)
    line = [sys.executable, "-m", "orchestration.cli", "experiment", "report", name, "--dataset", DATASET, "--json"]
    line += ["--as-of", present_time().isoformat()]
    done = subprocess.run(line, env=environment(served.settings), capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def flags(answer: dict[str, Any]) -> list[str]:
    """Flags of an answer; the features of this world are old."""
    return [flag for flag in answer["flags"] if flag != "stale"]


def engine(served: Served, version: int) -> psutil.Process:
    """Engine process of a version."""
    (found,) = [each for each in served.engines() if str(version) in each.cmdline()]
    return found


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def test_the_report_finds_what_was_shown_and_clicked(served: Served) -> None:
    begin(served, "split", 2)
    users = [*KNOWN, *(f"visitor{n}" for n in range(360))]
    answers = ask(served, users)
    alone = {user: served.get(f"/v1/recommendations/{user}?k=5&experiment=false")[1] for user in KNOWN}
    for user, answer in answers.items():
        assert (answer["experiment"], answer["version"]) == ("split", VERSION[answer["variant"]])
        if user in alone:  # the model of version 2 has other lists
            assert (answer["items"] == alone[user]["items"]) == (answer["variant"] == "now")
    again = {user: served.get(f"/v1/recommendations/{user}?k=5")[1]["variant"] for user in KNOWN}
    assert again == {user: answers[user]["variant"] for user in KNOWN}
    of_two = [each for each in answers.values() if each["variant"] == "two"]
    click(served, of_two[:50])
    logged = exposures(served, "split", 440)
    assert len(logged) == 440  # nothing of those who took no part
    assert {each.user_id: each.items for each in logged[:400]} == {user: tuple(ids(answers[user])) for user in users}
    found = report(served, "split")
    counts = Counter(each["variant"] for each in answers.values())
    assert found["users"] == counts
    assert (found["sample_ratio"]["mismatch"], found["notes"][:1]) == (
        False,
        ["no conversion: converted is 0 for every user; purchases are events of kind purchase"],
    )
    shown = Counter(each.variant for each in logged)
    ctr = {each["variant"]: each["value"] for each in found["levels"] if each["metric"] == "ctr"}
    assert ctr == pytest.approx({"now": 0.0, "two": 50 / shown["two"]}, abs=1e-9)
    assert served.metric('gatehouse_variant_answers_total{experiment="split",variant="two"}') == shown["two"]


def test_an_engine_that_is_killed_leaves_the_champions_answers_flagged(served: Served) -> None:
    begin(served, "killed", 2)
    before = ask(served, KNOWN)
    engine(served, 2).kill()
    during = ask(served, KNOWN)
    two = [user for user, each in during.items() if each["variant"] == "two"]
    for user, answer in during.items():
        assert answer["version"] == 1
        assert flags(answer) == (["fallback"] if user in two else [])
    served.until(lambda state: state["beside"] == [2] and not state["problems"])
    after = ask(served, KNOWN)
    assert {user: ids(each) for user, each in after.items()} == {user: ids(each) for user, each in before.items()}
    logged = exposures(served, "killed", 3 * len(KNOWN) - len(two))
    assert Counter(each.variant for each in logged) == {"two": 2 * len(two), "now": 3 * (len(KNOWN) - len(two))}
    assert served.metric('gatehouse_variant_degraded_total{experiment="killed",variant="two"}') == len(two)


def test_a_version_that_did_not_pass_is_refused_and_seen(served: Served) -> None:
    begin(served, "failed", variants=VARIANTS.replace("serves: 2", "serves: 4"))
    state = served.until(lambda state: "variants" in state["problems"])
    assert "version 4 does not serve: its verdict is failed" in state["problems"]["variants"]
    answers = ask(served, KNOWN)
    assert {(each["variant"], each["version"], *flags(each)) for each in answers.values()} == {
        ("now", 1),
        ("two", 1, "fallback"),
    }
    assert "its verdict is failed" in (served.settings.home / "logs" / "serve.log").read_text()


def test_a_shadow_that_stands_still_delays_nothing_and_is_never_shown(served: Served) -> None:
    begin(served, "shadowed", 2, 3, shadows={"three": 3})
    shadow = engine(served, 3)
    shadow.suspend()
    try:
        started = time.monotonic()
        answers = ask(served, KNOWN)
        assert time.monotonic() - started < 5  # a batch of a shadow may take 30
    finally:
        shadow.resume()
    for answer in answers.values():
        assert (answer["version"], flags(answer)) == (VERSION[answer["variant"]], [])
    # Version 3 is the same model as version 2.
    for each in exposures(served, "shadowed", len(KNOWN)):
        assert each.agreeing == (("three",) if each.variant == "two" else ())
        assert each.answer_propensity == 0.5
    of_two = sum(each["variant"] == "two" for each in answers.values())
    assert served.metric('gatehouse_shadow_answers_total{outcome="compared",shadow="three"}') == len(KNOWN)
    assert served.metric('gatehouse_shadow_overlap_count{shadow="three"}') == len(KNOWN)
    assert of_two <= served.metric('gatehouse_shadow_overlap_sum{shadow="three"}') < len(KNOWN)
    assert served.metric('gatehouse_shadow_seconds_count{shadow="three"}') > 0


def test_users_prefer_what_they_click_in_an_interleaved_experiment(served: Served) -> None:
    begin(served, "mixed", 2, design="interleaved")
    answers = ask(served, KNOWN)
    assert {each["variant"] for each in answers.values()} == {"interleaved"}
    for answer in answers.values():
        assert Counter(item["variant"] for item in answer["items"]).most_common(1)[0][1] == 3
    (first,) = ask(served, KNOWN[:1]).values()
    headers = {"X-Request-Id": "the-same"}
    same = [served.get(f"/v1/recommendations/{KNOWN[0]}", headers=headers)[1]["items"] for _ in range(2)]
    assert same[0] == same[1]
    assert first["source"] == "interleaved"
    for user, each in answers.items():
        picked = [rank for rank, item in enumerate(each["items"], 1) if item["variant"] == "two"]
        if user < "user30":
            click(served, [each], picked[0])
    found = report(served, "mixed")
    assert (found["preference"]["for_second"], found["preference"]["for_first"]) == (30, 0)


def test_a_mistake_in_the_file_is_seen_and_changes_nothing_and_stops_a_start(served: Served, home: Settings) -> None:
    begin(served, "good", 2)
    path = home.home / "experiments.yaml"
    path.write_text(path.read_text().replace("serves: 2", "serves: two"))
    state = served.until(lambda state: "experiments" in state["problems"])
    assert "variant two: serves 'two'; wanted the number of a version" in state["problems"]["experiments"]
    assert (state["experiment"], state["beside"]) == ("good", [2])
    done = command(home, "--port", "0")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "good, variant two: serves 'two'" in done.stderr
    path.unlink()
    served.until(lambda state: (state["experiment"], state["beside"], state["problems"]) == (None, [], {}))
    served.wait_for_engines(1)
    assert "experiment" not in served.get(f"/v1/recommendations/{KNOWN[0]}")[1]
