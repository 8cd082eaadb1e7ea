"""One contract of searchers: a scan in memory, a graph in memory, and the item index."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest

from serving.index.exact import ExactIndex
from serving.search import Dropped, IndexSearcher, MemorySearcher, Searcher, memory
from serving.search.half_precision import HalfPrecisionIndex, graph_bytes, load_faiss, omp_threads
from serving.search.joined import JoinedSearcher
from tests.unit.serving.search.search_world import (
    DIM,
    FIELDS,
    ITEMS,
    QUERIES_QD,
    VECTORS_ND,
    items_of,
    share_of,
    unit,
    wanted,
)


def build(kind: str, item_ND: np.ndarray, threads: int = 1) -> Searcher:
    items = items_of(len(item_ND))
    if kind == "index":
        index = ExactIndex(FIELDS)
        index.build("items", items, item_ND)
        return IndexSearcher(index, "items")
    if kind == "joined":
        start, count = 2 * len(item_ND) // 3, len(item_ND)
        parts = [(items[rows.start : rows.stop], item_ND[rows]) for rows in (slice(0, start), slice(start, count))]
        return JoinedSearcher(*(MemorySearcher.build(*part, FIELDS, threads=threads) for part in parts))
    graph = graph_bytes(item_ND) if kind == "hnsw" else None
    return MemorySearcher.build(items, item_ND, FIELDS, graph=graph, threads=threads)


@pytest.fixture(scope="module", params=["flat", "hnsw", "index", "joined"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@cache
def shared(kind: str) -> Searcher:
    """Searcher over VECTORS_ND: a graph takes a second to build."""
    return build(kind, VECTORS_ND)


@pytest.fixture(scope="module")
def searcher(kind: str) -> Searcher:
    return shared(kind)


@pytest.fixture(autouse=True)
def no_product_for_few_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """These corpora are small enough for matrix products, which would leave faiss untested."""
    monkeypatch.setattr(memory, "FEW_SHARE", 0)


@pytest.mark.parametrize("share", [None, 0.5, 0.05, 0.005])
@pytest.mark.parametrize("k", [1, 20, 220, 1_000])
def test_the_best_allowed_items_are_found_in_order(kind: str, searcher: Searcher, k: int, share: float | None) -> None:
    allowed_N = None if share is None else share_of(ITEMS, share)
    rows_QK, scores_QK = searcher.search(QUERIES_QD, k, allowed_N)
    wanted_QK, exact_QK = wanted(QUERIES_QD, VECTORS_ND, k, allowed_N)
    assert (rows_QK.dtype, scores_QK.dtype) == (np.int32, np.float32)
    if kind == "hnsw" and share is None:
        check_mostly_found(rows_QK, scores_QK, wanted_QK)
    else:
        np.testing.assert_array_equal(rows_QK, wanted_QK)
        np.testing.assert_allclose(scores_QK, exact_QK, atol=1e-5)


@pytest.mark.parametrize("share", [None, 0.05])
@pytest.mark.parametrize("queries", [len(QUERIES_QD), memory.MANY_QUERIES])
def test_each_query_gets_the_best_without_its_own_dropped_items(kind: str, queries: int, share: float | None) -> None:
    if kind == "hnsw" and share is None and queries < memory.MANY_QUERIES:
        pytest.skip("a graph may miss some items")
    user_QD = np.concatenate([QUERIES_QD, unit(queries, 7)])[:queries]
    allowed_N = None if share is None else share_of(ITEMS, share)
    best_QK, _ = wanted(user_QD, VECTORS_ND, 30, allowed_N)
    query_P = np.repeat(np.arange(queries), np.arange(queries) % 4 * 5)  # 0, 5, 10 or 15 of its best
    row_P = np.concatenate([best_QK[n, : n % 4 * 5] for n in range(queries)])
    rows_QK, scores_QK = shared(kind).search(user_QD, 10, allowed_N, Dropped(query_P=query_P, row_P=row_P))
    for n in range(queries):
        np.testing.assert_array_equal(rows_QK[n], best_QK[n, n % 4 * 5 :][:10])
    np.testing.assert_allclose(scores_QK, np.einsum("qkd,qd->qk", VECTORS_ND[rows_QK], user_QD), atol=1e-5)


def test_a_query_that_must_get_nothing_finds_nothing(searcher: Searcher) -> None:
    everything = Dropped(query_P=np.zeros(ITEMS, np.int64), row_P=np.arange(ITEMS))
    rows_QK, scores_QK = searcher.search(QUERIES_QD[:2], 5, dropped=everything)
    assert (rows_QK[0] == -1).all() and (scores_QK[0] == -np.inf).all() and (rows_QK[1] >= 0).all()


def check_mostly_found(rows_QK: np.ndarray, scores_QK: np.ndarray, wanted_QK: np.ndarray) -> None:
    """A graph may miss some items. What it finds has exact scores and the right order."""
    shared = [len(np.intersect1d(found, exact)) for found, exact in zip(rows_QK, wanted_QK, strict=True)]
    assert sum(shared) >= 0.8 * wanted_QK.size
    products_QK = np.einsum("qkd,qd->qk", VECTORS_ND[rows_QK], QUERIES_QD)
    np.testing.assert_allclose(scores_QK, products_QK, atol=1e-6)
    np.testing.assert_array_equal(np.lexsort((rows_QK, -scores_QK), axis=-1), np.indices(rows_QK.shape)[1])


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_equal_scores_are_ordered_by_row_also_across_the_last_rank(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Products that float32 rounds: a sum whose order depends on the row would show.
    vectors_ND = np.random.default_rng(0).normal(size=(ITEMS, 33)).astype(np.float32)
    vectors_ND[::2] = vectors_ND[0]
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    searcher = build(kind, vectors_ND)
    for few_share in (0, 1):
        monkeypatch.setattr(memory, "FEW_SHARE", few_share)
        is_exact = kind == "flat" or few_share == 1
        for k in (1, 10, 300, 1_500) if is_exact else (1, 10):  # a graph finds few of so many equal vectors
            rows_QK, _ = searcher.search(vectors_ND[:1], k)
            np.testing.assert_array_equal(rows_QK[0], np.arange(0, 2 * k, 2))


@pytest.mark.parametrize("queries", [1, memory.MANY_QUERIES])
def test_an_item_that_is_rounded_below_many_others_is_found(queries: int) -> None:
    """Its coordinates lose almost half a step of half precision each; those of the others lose nothing."""
    step = 2.0**-10
    vectors_ND = np.full((ITEMS, DIM), 0.25, np.float32)
    vectors_ND[:, :7] += step
    vectors_ND[ITEMS // 2] = 0.25 + 0.49 * step
    user_QD = np.full((queries, DIM), 0.25, np.float32)
    rows_QK, _ = build("flat", vectors_ND).search(user_QD, 3)
    assert rows_QK.tolist() == [[ITEMS // 2, 0, 1]] * queries


@pytest.mark.parametrize("allowed_N", [None, share_of(ITEMS, 0.01)])
def test_more_items_than_there_are_fill_the_ranks_with_none(searcher: Searcher, allowed_N: np.ndarray | None) -> None:
    rows_QK, scores_QK = searcher.search(QUERIES_QD[:2], ITEMS + 7, allowed_N)
    wanted_QK, exact_QK = wanted(QUERIES_QD[:2], VECTORS_ND, ITEMS + 7, allowed_N)
    np.testing.assert_array_equal(rows_QK, wanted_QK)
    np.testing.assert_allclose(scores_QK, exact_QK, atol=1e-5)
    assert (rows_QK[:, -7:] == -1).all() and (scores_QK[:, -7:] == -np.inf).all()


def test_a_filter_that_nothing_matches_finds_nothing(searcher: Searcher) -> None:
    rows_QK, scores_QK = searcher.search(QUERIES_QD, 5, np.zeros(ITEMS, bool))
    assert (rows_QK == -1).all() and (scores_QK == -np.inf).all() and rows_QK.shape == (len(QUERIES_QD), 5)


def test_no_query_has_no_answer(searcher: Searcher) -> None:
    rows_QK, scores_QK = searcher.search(QUERIES_QD[:0], 5)
    assert rows_QK.shape == scores_QK.shape == (0, 5)


def test_an_item_prior_counts(kind: str) -> None:
    prior_N1 = np.round(np.random.default_rng(4).normal(size=(ITEMS, 1)) * 64).astype(np.float32) / 256
    vectors_ND = np.concatenate([unit(ITEMS, seed=5), prior_N1], axis=1)
    queries_QD = np.concatenate([unit(7, seed=6), np.ones((7, 1), np.float32)], axis=1)
    rows_QK, scores_QK = build(kind, vectors_ND).search(queries_QD, 20)
    wanted_QK, exact_QK = wanted(queries_QD, vectors_ND, 20)
    np.testing.assert_array_equal(rows_QK, wanted_QK)
    np.testing.assert_allclose(scores_QK, exact_QK, atol=1e-5)


def test_vectors_are_those_of_the_items(searcher: Searcher) -> None:
    for rows in (np.array([7, 3, 7]), np.array([[7, 0], [3, 7], [9, 9]], np.int32), np.zeros((2, 0), np.int64)):
        np.testing.assert_array_equal(searcher.vectors(rows), VECTORS_ND[rows])
        assert searcher.vectors(rows).dtype == np.float32
    assert searcher.ids == items_of(ITEMS)["item_id"].to_list()


@pytest.mark.parametrize(
    ("queries", "k", "allowed", "problem"),
    [
        (np.full((2, DIM), np.nan, np.float32), 3, None, "2 of 2 query vectors are not finite"),
        (np.full((1, DIM), np.inf, np.float32), 3, None, "not finite"),
        (unit(1, seed=0, dim=DIM - 1), 3, None, f"{DIM} dimensions"),
        (unit(1, seed=0)[0], 3, None, "query vectors of shape"),
        (unit(1, seed=0), 0, None, "wanted at least 1"),
        (unit(1, seed=0), 3, np.ones(ITEMS - 1, bool), "wanted bool"),
        (unit(1, seed=0), 3, np.ones(ITEMS, np.int8), "wanted bool"),
    ],
)
def test_bad_requests_are_refused(
    searcher: Searcher, queries: np.ndarray, k: int, allowed: np.ndarray | None, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        searcher.search(queries, k, allowed)


def test_vectors_that_are_not_finite_are_refused() -> None:
    vectors_ND = VECTORS_ND.copy()
    vectors_ND[3, 2] = np.inf
    with pytest.raises(ValueError, match="not finite"):
        build("flat", vectors_ND)


def test_a_graph_of_other_vectors_is_refused() -> None:
    with pytest.raises(ValueError, match="a graph of 50 x 16"):
        MemorySearcher.build(items_of(40), VECTORS_ND[:40], FIELDS, graph=graph_bytes(VECTORS_ND[:50]))
    with pytest.raises(ValueError, match="wanted as many"):
        MemorySearcher.build(items_of(41), VECTORS_ND[:40], FIELDS)


def test_a_graph_is_built_above_a_number_of_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "FLAT_ITEMS", 40)
    graphs = [MemorySearcher.build(items_of(n), VECTORS_ND[:n], FIELDS).graph for n in (40, 41)]
    assert graphs[0] is None
    np.testing.assert_array_equal(graphs[1], graph_bytes(VECTORS_ND[:41]))


def test_the_scan_answers_where_the_graph_would_lose_items(monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[int] = []

    def walk(self: HalfPrecisionIndex, user_QD: np.ndarray, count: int, allowed: np.ndarray | None) -> object:
        walked.append(count)
        return self.scan(user_QD, count, allowed)

    searcher = shared("hnsw")
    monkeypatch.setattr(HalfPrecisionIndex, "walk", walk)
    allowed_N = np.ones(ITEMS, bool)
    allowed_N[: memory.EXCLUDED_ITEMS] = False
    searcher.search(QUERIES_QD[:1], 5, allowed_N)
    assert len(walked) == 1
    allowed_N[-1] = False
    searcher.search(QUERIES_QD[:1], 5, allowed_N)
    assert len(walked) == 1


def test_items_that_the_graph_misses_are_found_by_the_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    searcher = shared("hnsw")

    def walk(self: HalfPrecisionIndex, user_QD: np.ndarray, count: int, allowed: np.ndarray | None) -> object:
        rows_QC, scores_QC = (np.roll(each, -2, axis=1) for each in self.scan(user_QD, count, allowed))
        rows_QC[:, -2:], scores_QC[:, -2:] = -1, np.finfo(np.float32).min
        return rows_QC, scores_QC

    monkeypatch.setattr(HalfPrecisionIndex, "walk", walk)
    rows_QK, _ = searcher.search(QUERIES_QD, 20)
    np.testing.assert_array_equal(rows_QK, wanted(QUERIES_QD, VECTORS_ND, 20)[0])


@pytest.mark.parametrize("share", [None, 0.3])
def test_many_queries_are_answered_like_one(searcher: Searcher, share: float | None) -> None:
    allowed_N = None if share is None else share_of(ITEMS, share)
    many_QD = np.concatenate([QUERIES_QD, QUERIES_QD[::-1], unit(30, seed=8)])
    rows_QK, scores_QK = searcher.search(many_QD, 20, allowed_N)
    wanted_QK, exact_QK = wanted(many_QD, VECTORS_ND, 20, allowed_N)
    np.testing.assert_array_equal(rows_QK, wanted_QK)
    np.testing.assert_allclose(scores_QK, exact_QK, atol=1e-5)


@pytest.mark.parametrize("queries", [1, memory.MANY_QUERIES])
@pytest.mark.parametrize("share", [None, 0.3])
def test_distinct_scores_need_no_exact_scan(queries: int, share: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way that is always right would hide candidates that are wrong."""
    item_ND, user_QD = unit(ITEMS, seed=5), unit(queries, seed=9)
    allowed_N = None if share is None else share_of(ITEMS, share)
    monkeypatch.setattr(memory, "scan", None)
    rows_QK, _ = build("flat", item_ND).search(user_QD, 20, allowed_N)
    np.testing.assert_array_equal(rows_QK, wanted(user_QD, item_ND, 20, allowed_N)[0])


def test_searches_at_the_same_time_do_not_disturb_each_other() -> None:
    searchers = [build("flat", VECTORS_ND, threads=threads) for threads in (1, 2)]
    wanted_QK, _ = wanted(QUERIES_QD, VECTORS_ND, 20)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: searchers[n % 2].search(QUERIES_QD, 20)[0], range(200)))
    for rows_QK in found:
        np.testing.assert_array_equal(rows_QK, wanted_QK)


def test_a_number_of_threads_belongs_to_one_thread() -> None:
    faiss = load_faiss()
    before = faiss.omp_get_max_threads()
    with omp_threads(3), ThreadPoolExecutor(1) as pool:
        assert faiss.omp_get_max_threads() == 3
        with omp_threads(5):
            assert pool.submit(faiss.omp_get_max_threads).result() not in (3, 5)
    assert faiss.omp_get_max_threads() == before
