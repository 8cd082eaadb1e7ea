"""Latency of the searcher that serves, with its filters and seen items.

Legend: Q users, N items of the corpus, D dimensions, R rounds, S searches of a round.
"""

from __future__ import annotations

import os
import platform
import time
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID, Schema
from orchestration.index_recall import dropped_pairs, embedded_rows, filters_of
from serving.corpus import Corpus
from serving.gate.latency import Latency
from serving.search import Dropped

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SEARCHES = 100
"""Searches of a round."""
ROUNDS = 5
"""Rounds of the same searches."""


def measure_latency(
    corpus: Corpus,
    schema: Schema,
    items: pl.DataFrame,
    user_QD: np.ndarray,
    seen: csr_array | None,
    *,
    k: int,
    seed: int,
) -> Latency:
    """Time searches for one user each, as a request is, without a filter and with each in turn.

    A round before those that count warms caches and connections.

    Args:
        corpus: the items that are served, with the searcher.
        schema: declares which fields may be filtered on.
        items: item_id and the fields, in the order of the columns of `seen`.
        user_QD: embeddings of the users to draw from.
        seen: items that must not return, sparse [Q, N]; None where they may.
        k: length of the lists.
        seed: random seed of the sample.
    """
    rows = np.random.default_rng(seed).choice(len(user_QD), SEARCHES, replace=len(user_QD) < SEARCHES)
    filters = [corpus.matches(where) for where in filters_of(schema, items)]
    served_of = np.argsort(embedded_rows(corpus.ids, items[ITEM_ID]))
    asked = [
        (user_QD[row : row + 1], filters[n % len(filters)], _dropped(seen, row, served_of))
        for n, row in enumerate(rows)
    ]
    seconds_RS = np.empty((ROUNDS + 1, len(asked)))
    for number in range(ROUNDS + 1):
        for n, (user_1D, allowed_N, dropped) in enumerate(asked):
            start = time.perf_counter()
            corpus.searcher.search(user_1D, k, allowed_N, dropped)
            seconds_RS[number, n] = time.perf_counter() - start
    p50_R, p99_R = np.percentile(1000 * seconds_RS[1:], [50, 99], axis=1)
    return Latency(
        searches=len(asked), p50_ms=p50_R.tolist(), p99_ms=p99_R.tolist(), machine=machine(), is_busy=is_busy()
    )


def _dropped(seen: csr_array | None, row: int, served_of: np.ndarray) -> Dropped:
    return Dropped() if seen is None else dropped_pairs(seen[row : row + 1], served_of)


def is_busy() -> bool:
    """Whether more wanted to run in the last minute than there are cores; unknown on Windows, which counts as no."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > (os.cpu_count() or 1)


def machine() -> str:
    """Name this machine, its cores, and how busy they were in the last minute."""
    cores = os.cpu_count() or 1
    busy = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{platform.node() or 'an unnamed machine'} ({platform.machine()}, {cores} cores{busy})"
