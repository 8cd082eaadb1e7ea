"""`gatehouse serve` with its front, its engines and its sockets."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from serving.open import open_retriever
from serving.settings import Settings
from tests.integration.release_world import DATASET
from tests.integration.serving_world import Served, released_home, serving

pytestmark = pytest.mark.timeout(240)
USERS = [f"user{n:02}" for n in range(6)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return released_home(tmp_path_factory.mktemp("serving"), versions=2)


@pytest.fixture(scope="module")
def served(home: Settings) -> Iterator[Served]:
    with serving(home) as served:
        served.wait(1)
        yield served


def test_answers_are_those_of_the_retriever(served: Served, home: Settings) -> None:
    where, users = 'department == "food" or price < 3', [*USERS, "nobody"]
    _, many, _ = served.get("/v1/recommendations", {"user_ids": users, "k": 7, "filter": where})
    with open_retriever(home, DATASET) as retriever:
        for user, told in zip(users, many["answers"], strict=True):
            wanted = retriever.recommend(user, 7, where)
            items = [{"item_id": item.item_id, "score": item.score, "fields": item.fields} for item in wanted.items]
            asked = urlencode({"k": 7, "filter": where})
            status, one, headers = served.get(f"/v1/recommendations/{user}?{asked}")
            assert (status, one["items"], one["source"], one["version"]) == (200, items, wanted.source, 1)
            assert one["request_id"] == headers["X-Request-Id"]
            assert {name: one[name] for name in told} == told
            assert one["timings_ms"].keys() == {"queue", "features", "engine"}
