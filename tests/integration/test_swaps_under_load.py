"""Releases that swap under load: no request without an answer, and no answer of another version than it names."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import pytest

from serving.settings import Settings
from tests.benchmarks.bench_swaps import asking, swap
from tests.benchmarks.service.versions import VersionScores
from tests.integration.release_world import DATASET
from tests.integration.serving_world import Served, released_home, serving

pytestmark = pytest.mark.timeout(240)
USERS = [f"user{number:02}" for number in range(12)]
RATE = 25.0
"""Requests a second: few enough for a machine that is busy with other tests."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return released_home(tmp_path_factory.mktemp("swaps"), versions=2)


@pytest.fixture(scope="module")
def served(home: Settings) -> Iterator[Served]:
    with serving(home, "--no-consumer", wait_seconds=60) as served:
        served.wait(1)
        yield served


@pytest.fixture(scope="module")
def scores(home: Settings) -> VersionScores:
    return VersionScores(home, DATASET, [1, 2], USERS)


def test_a_mixed_answer_is_found(served: Served, scores: VersionScores) -> None:
    told = served.get("/v1/recommendations", {"user_ids": USERS[:3], "k": 5})[1]
    assert scores.problem(told) is None
    other = deepcopy(told)
    other["answers"][1]["version"] = 2
    assert scores.problem(other) == "one answer names the versions [1, 2]"
    for answer in (other, *other["answers"]):
        answer["version"] = 2
    assert "do not have the scores of version 2" in str(scores.problem(other))
    told["answers"][2]["items"] = []
    assert "0 items" in str(scores.problem(told))


def test_five_swaps_under_load_drop_and_mix_nothing(home: Settings, served: Served, scores: VersionScores) -> None:
    moves = [(home, DATASET, version) for version in (2, 1, 2, 1, 2)]
    found = swap(served.address, asking(USERS), scores, moves, rate=RATE, seconds=1)
    assert (found.errors, found.mixed) == ([], [])
    assert len(found.moving.seconds) > 50
    assert len(found.waits) == 5
    assert served.metric("gatehouse_swaps_total") == 6
