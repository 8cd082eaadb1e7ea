"""Exploration from end to end: the service randomises, the log has propensities, and they tell the examination."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from orchestration.experiments.traffic import propensities, relative_examination
from serving.experiments.exploration import Exploration, Kind
from tests.integration.release_world import DATASET
from tests.integration.serving_world import Served, released_home, serving

pytestmark = pytest.mark.timeout(240)
KNOWN = [f"user{n:02}" for n in range(40)]
K = 4
EXAMINATION_K = np.array([1.0, 0.6, 0.4, 0.2])
RELEVANCE_K = np.array([0.9, 0.7, 0.5, 0.4])
"""Probability of a click by the rank without randomisation: the log alone would mix it with the examination."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = released_home(tmp_path_factory.mktemp("exploration"), versions=1)
    with serving(home, "--no-consumer", max_users=400, queue_users=2_000) as served:
        served.wait(1)
        yield served


def explore(served: Served, text: str, kind: str | None) -> None:
    """Write the definitions, and wait until they count."""
    (served.settings.home / "experiments.yaml").write_text(text)
    served.until(lambda state: state["exploration"] == kind)


def ask(served: Served, request_id: str, **options: Any) -> list[dict[str, Any]]:
    """Answers to the known users."""
    body = {"user_ids": KNOWN, "k": K, **options}
    status, told, _ = served.get("/v1/recommendations", body, {"X-Request-Id": request_id})
    assert status == 200, told
    answers: list[dict[str, Any]] = told["answers"]
    return answers


def looked_at(
    answer: dict[str, Any], ranked: dict[str, list[str]], rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Impressions and clicks of a user who looks at a position with its examination."""
    for place, item in enumerate(answer["items"]):
        about = {"user_id": answer["user_id"], "item_id": item["item_id"], "position": place + 1}
        yield (
            about | {name: item[name] for name in ("propensity", "randomised") if name in item} | {"kind": "impression"}
        )
        rank = ranked[answer["user_id"]].index(item["item_id"])
        if rng.random() < EXAMINATION_K[place] * RELEVANCE_K[rank]:
            yield about | {"kind": "click", "propensity": item["propensity"]}


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def test_nothing_is_random_unless_it_is_wanted(served: Served) -> None:
    explore(served, "", None)
    answers = ask(served, "off")
    assert {item["propensity"] for each in answers for item in each["items"]} == {1.0}
    assert not any("randomised" in each for each in answers)
    explore(served, "exploration: {share: 1, kind: slice}\n", "slice")
    apart = ask(served, "off", experiment=False)
    assert apart == answers
    randomised = ask(served, "off")
    assert {each["randomised"] for each in randomised} == {"slice"}
    assert [sorted(ids(each)) for each in randomised] == [sorted(ids(each)) for each in answers]
    assert [ids(each) for each in randomised] != [ids(each) for each in answers]
    assert randomised == ask(served, "off")
    strangers = served.get("/v1/recommendations", {"user_ids": ["nobody"], "k": K})[1]["answers"]
    assert {item["propensity"] for item in strangers[0]["items"]} == {1.0}
    assert "randomised" not in strangers[0]


@pytest.mark.parametrize("kind", Kind)
def test_propensities_of_the_log_tell_how_far_people_look(served: Served, kind: Kind) -> None:
    explore(served, "", None)
    ranked = {each["user_id"]: ids(each) for each in ask(served, "plain")}
    explore(served, f"exploration: {{share: 1, kind: {kind}}}\n", kind)
    with closing(served.settings.open_event_log(DATASET)) as log:
        start = log.newest()
        rng = np.random.default_rng(7)
        for n in range(25):
            events = [event for each in ask(served, f"{kind}-{n}") for event in looked_at(each, ranked, rng)]
            numbered = [
                each | {"event_id": f"{kind}-{n}-{m}", "request_id": f"{kind}-{n}"} for m, each in enumerate(events)
            ]
            assert served.get("/v1/events", numbered)[1]["accepted"] == len(numbered)
        logged = [each.event for each in log.read(start, 100_000)]
    clicks_JK, propensity_JK = np.zeros((K, K)), np.zeros((K, K))
    for each in logged:
        assert each.position and each.propensity
        cell = ranked[each.user_id].index(each.item_id), each.position - 1
        clicks_JK[cell] += each.kind == "click"
        propensity_JK[cell] = each.propensity
    groups = {each.randomised for each in logged if each.kind == "impression"}
    assert groups == ({"slice"} if kind is Kind.SLICE else {None, *(f"swap {n}" for n in range(1, K))})
    assert propensity_JK == pytest.approx(propensities(Exploration(share=1, kind=kind), K))
    told_K = relative_examination(clicks_JK, propensity_JK)
    assert told_K == pytest.approx(EXAMINATION_K, rel=0.3)
    assert (np.diff(told_K) < 0).all()
