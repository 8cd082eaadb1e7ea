"""A searcher whose server may be away."""

from __future__ import annotations

import time

import numpy as np
import pytest

from serving.guard import AwayError, Guard
from serving.search import GuardedSearcher
from serving.search.base import NO_PAIRS, Dropped, Found


class Server:
    """A searcher that fails as told."""

    ids = ("a", "b")

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.calls = 0

    def search(
        self, user_QD: np.ndarray, k: int, allowed_N: np.ndarray | None = None, dropped: Dropped = NO_PAIRS
    ) -> Found:
        self.calls += 1
        if isinstance(self.error, TimeoutError):
            time.sleep(0.2)
        elif self.error:
            raise self.error
        return np.full((len(user_QD), k), 1, np.int32), np.ones((len(user_QD), k), np.float32)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        return np.ones((len(rows), 2), np.float32)


@pytest.mark.parametrize("error", [ConnectionError("refused"), TimeoutError()])
def test_a_server_that_is_away_is_left_alone_for_a_while(error: Exception) -> None:
    now, server = [0.0], Server()
    searcher = GuardedSearcher(server, Guard("Milvus", 0.05, errors=(OSError,), clock=lambda: now[0]))
    queries_QD = np.ones((3, 2), np.float32)
    assert searcher.search(queries_QD, 2)[0].shape == (3, 2)
    assert searcher.vectors(np.array([0])).shape == (1, 2)
    server.error = error
    for _ in range(3):
        with pytest.raises(AwayError, match="Milvus does not answer"):
            searcher.search(queries_QD, 2)
    assert server.calls == 2
    now[0], server.error = 1.0, None
    assert searcher.search(queries_QD, 2)[0].shape == (3, 2)


def test_a_mistake_of_the_caller_is_told_as_it_is() -> None:
    server = Server()
    server.error = ValueError("k is 0")
    searcher = GuardedSearcher(server, Guard("Milvus", 5.0, errors=(OSError,)))
    for _ in range(2):
        with pytest.raises(ValueError, match="k is 0"):
            searcher.search(np.ones((1, 2), np.float32), 0)
    assert server.calls == 2
