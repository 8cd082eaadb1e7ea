"""Searches are timed as the service asks: one user, each filter in turn, seen items left out."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.sparse import csr_array

from orchestration import search_latency
from orchestration.search_latency import ROUNDS, measure_latency
from serving.search import NO_PAIRS, Dropped, Found, MemorySearcher
from tests.unit.orchestration.test_index_recall import ITEMS, NUMBER, SCHEMA, USERS, corpus_of, vectors_of


class SlowSearcher(MemorySearcher):
    """Takes four milliseconds more with a filter; keeps the calls."""

    def search(
        self, user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None = None, dropped: Dropped = NO_PAIRS
    ) -> Found:
        self.calls = [*getattr(self, "calls", []), (len(user_QD), allowed_N is not None, dropped.row_P.tolist())]
        time.sleep(0.004 * (allowed_N is not None))
        return super().search(user_QD, k, allowed_N, dropped)


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_latency, "SEARCHES", 10)


def test_every_round_asks_the_same_single_users_with_and_without_filters() -> None:
    user_QD, _ = vectors_of(NUMBER)
    seen = csr_array(np.eye(USERS, NUMBER, dtype=np.int8))
    corpus = corpus_of(SlowSearcher)
    found = measure_latency(corpus, SCHEMA, ITEMS, user_QD, seen, k=5, seed=0)
    calls = corpus.searcher.calls  # type: ignore[attr-defined]
    assert len(calls) == (ROUNDS + 1) * 10 and calls[:10] * (ROUNDS + 1) == calls
    assert {users for users, _, _ in calls} == {1}
    assert [filtered for _, filtered, _ in calls[:4]] == [False, True, False, True]
    assert len({tuple(rows) for _, _, rows in calls}) == 10  # each user's own seen item
    assert len(found.p50_ms) == len(found.p99_ms) == ROUNDS
    assert found.best("p50_ms") < found.best("p99_ms") and found.best("p99_ms") >= 4


@pytest.mark.parametrize(("load", "busy"), [(4.1, True), (4.0, False)])
def test_a_machine_is_busy_whose_load_exceeds_its_cores(
    load: float, busy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_latency.os, "getloadavg", lambda: (load, 0.0, 0.0), raising=False)
    monkeypatch.setattr(search_latency.os, "cpu_count", lambda: 4)
    user_QD, _ = vectors_of(NUMBER)
    assert measure_latency(corpus_of(MemorySearcher), SCHEMA, ITEMS, user_QD, None, k=5, seed=0).is_busy is busy


def test_a_sample_of_few_users_is_asked_for_as_often() -> None:
    user_QD, _ = vectors_of(NUMBER)
    assert measure_latency(corpus_of(MemorySearcher), SCHEMA, ITEMS, user_QD[:3], None, k=5, seed=0).searches == 10
