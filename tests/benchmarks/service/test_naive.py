"""The naive chain that the service is measured beside: it answers, and the same as the service."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from feature_repo.schema import ITEM_ID
from serving.open import open_retriever
from tests.benchmarks.service.naive import Client, naive_chain
from tests.benchmarks.service.side_by_side import measured
from tests.integration.release_world import DATASET
from tests.integration.serving_world import released_home

USERS = [f"user{number:02}" for number in range(6)]
K = 12


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_chain_answers_what_the_service_answers_and_ends(tmp_path: Path) -> None:
    settings = released_home(tmp_path, versions=1)
    with open_retriever(settings, DATASET) as retriever:
        wanted = {user: [item.item_id for item in retriever.recommend(user, K).items] for user in USERS}
    before = set(psutil.Process().children(recursive=True))
    with naive_chain(settings, DATASET) as chain:
        client = Client(chain, K)
        found = {user: [hit["entity"][ITEM_ID] for hit in client.ask(user)] for user in USERS}
        rate, p50 = measured(lambda: client.ask, USERS, clients=1, seconds=0.5)
        assert rate > 0 and p50 > 0
        parts = set(psutil.Process().children(recursive=True)) - before
        assert len(parts) >= 3
    assert found == wanted
    assert len({tuple(items) for items in wanted.values()}) == 2
    assert not [part for part in parts if part.is_running() and part.status() != psutil.STATUS_ZOMBIE]
