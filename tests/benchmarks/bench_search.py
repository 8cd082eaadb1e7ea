"""Recall and CPU milliseconds of searches in process: a scan in half precision, a graph, NumPy, and what serves.

    python -m tests.benchmarks.bench_search
    python -m tests.benchmarks.bench_search --items 1000000 --dim 64 --k 220

Vectors lie in clusters, as those of trained towers do, and filters keep random items or
whole clusters. Every figure is the median CPU time of single queries on one thread, each
of which all searches answer in turn. `scan` and `walk` are faiss's own answers; `flat` and `hnsw` are the
searchers that serve: the same candidates with exact scores and order, and another way
where the graph would lose items.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID
from serving.index.base import CollectionInfo, Fields
from serving.index.collection_file import FILE, StoredCollection, load, save
from serving.search import ItemFields, MemorySearcher
from serving.search.half_precision import graph_bytes, packed

CLUSTERS, SPREAD = 400, 0.5
QUERIES, SEED = 100, 0
FIELDS = Fields(types={"cluster": pl.String()}, filterable=frozenset({"cluster"}))
SHARES = (1.0, 0.5, 0.25, 0.1, 0.05, 0.005)
Search = Callable[[np.ndarray], np.ndarray]
"""Query [1, D] -> rows of the best items."""


def main() -> None:
    """Print a Markdown table for each corpus."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, nargs="+", default=[16_000, 92_331])
    parser.add_argument("--dim", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--k", type=int, nargs="+", default=[20, 220])
    parser.add_argument("--graph-threads", type=int, default=1, help="threads that build the graph")
    arguments = parser.parse_args()
    for items in arguments.items:
        for dim in arguments.dim:
            compare(items, dim, arguments.k, arguments.graph_threads)


def compare(items: int, dim: int, ks: Sequence[int], threads: int) -> None:
    """Print what every search of one corpus gives."""
    rng = np.random.default_rng(SEED)
    item_ND, cluster_N, user_QD = clustered(items, dim, rng)
    started = time.thread_time()
    graph = graph_bytes(item_ND, threads=threads)
    seconds = time.thread_time() - started
    ids = [f"item-{row:07}" for row in range(items)]
    clusters = [str(each) for each in cluster_N.tolist()]
    fields = ItemFields.of(pl.DataFrame({"cluster": clusters}), FIELDS)
    flat, hnsw = MemorySearcher(ids, item_ND, fields), MemorySearcher(ids, item_ND, fields, graph)
    print(f"\n{items:,} x {dim}: graph built in {seconds:.1f} s. {storage(flat, clusters)}\n")
    print("| k | kept | NumPy ms | scan ms | recall | walk ms | recall | flat ms | recall | hnsw ms | recall |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for k in ks:
        for share in SHARES:
            for name, allowed_N in masks(share, cluster_N, rng):
                searches = systems(flat, hnsw, item_ND, k, allowed_N)
                print(f"| {k} | {share:.1%} {name} | {' | '.join(measured(searches, user_QD))} |", flush=True)


def clustered(items: int, dim: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors of items around centres, their clusters, and queries between two centres."""
    centre_CD = rng.normal(size=(CLUSTERS, dim)) / np.sqrt(dim)
    size_C = rng.pareto(1.0, CLUSTERS) + 0.1
    cluster_N = rng.choice(CLUSTERS, items, p=size_C / size_C.sum())
    item_ND = centre_CD[cluster_N] + SPREAD * rng.normal(size=(items, dim)) / np.sqrt(dim)
    pair_2Q = cluster_N[rng.integers(items, size=(2, QUERIES))]
    user_QD = centre_CD[pair_2Q].sum(axis=0) + SPREAD * rng.normal(size=(QUERIES, dim)) / np.sqrt(dim)
    return unit(item_ND), cluster_N, unit(user_QD)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def masks(share: float, cluster_N: np.ndarray, rng: np.random.Generator) -> list[tuple[str, np.ndarray | None]]:
    """Masks that keep a share of the items: random ones, and whole clusters."""
    if share == 1:
        return [("", None)]
    counts = np.bincount(cluster_N, minlength=CLUSTERS)
    order = rng.permutation(CLUSTERS)
    kept = order[np.cumsum(counts[order]) <= share * len(cluster_N)]
    return [("random", rng.random(len(cluster_N)) < share), ("clusters", np.isin(cluster_N, kept))]


def systems(
    flat: MemorySearcher, hnsw: MemorySearcher, item_ND: np.ndarray, k: int, allowed_N: np.ndarray | None
) -> list[Search]:
    """Searches of one query: NumPy first, the oracle."""
    index = hnsw._index

    def bits() -> np.ndarray | None:
        return None if allowed_N is None else packed(allowed_N)

    return [
        lambda user_1D: by_numpy(user_1D, item_ND, k, allowed_N),
        lambda user_1D: index.scan(user_1D, k, bits())[0][0],
        lambda user_1D: index.walk(user_1D, k, bits())[0][0],
        lambda user_1D: flat.search(user_1D, k, allowed_N)[0][0],
        lambda user_1D: hnsw.search(user_1D, k, allowed_N)[0][0],
    ]


def by_numpy(user_1D: np.ndarray, item_ND: np.ndarray, k: int, allowed_N: np.ndarray | None) -> np.ndarray:
    """Exact search by one matrix product."""
    score_N = item_ND @ user_1D[0]
    if allowed_N is not None:
        score_N[~allowed_N] = -np.inf
        k = min(k, int(np.count_nonzero(allowed_N)))
    best = np.argpartition(-score_N, k - 1)[:k] if k else np.empty(0, int)
    ordered: np.ndarray = best[np.argsort(-score_N[best], kind="stable")]
    return ordered


def measured(searches: Sequence[Search], user_QD: np.ndarray) -> list[str]:
    """Median CPU milliseconds of each search, and its recall against the first."""
    times_SQ = np.zeros((len(searches), len(user_QD)))
    recall_SQ = np.zeros_like(times_SQ)
    for query in range(len(user_QD)):
        exact = None
        for search, times_Q, recall_Q in zip(searches, times_SQ, recall_SQ, strict=True):
            started = time.thread_time()
            found = search(user_QD[query : query + 1])
            times_Q[query] = 1e3 * (time.thread_time() - started)
            exact = found if exact is None else exact
            recall_Q[query] = np.isin(exact, found).mean() if len(exact) else 1.0
    cells = [f"{np.median(times_SQ[0]):.2f}"]
    for times_Q, recall_Q in zip(times_SQ[1:], recall_SQ[1:], strict=True):
        cells += [f"{np.median(times_Q):.2f}", f"{recall_Q.mean():.4f}"]
    return cells


def storage(flat: MemorySearcher, clusters: Sequence[str]) -> str:
    """CPU milliseconds to make a scan's half-precision vectors, and to read the whole from a release's file."""
    rows, dim = flat.item_ND.shape
    info = CollectionInfo(name="bench", rows=rows, dim=dim, fingerprint="", complete=True)
    items = pl.DataFrame({ITEM_ID: flat.ids, "cluster": clusters})
    with tempfile.TemporaryDirectory() as folder:
        sha256 = save(StoredCollection(info=info, items=items, vectors_ND=flat.item_ND), Path(folder))
        path = Path(folder) / FILE
        megabytes = path.stat().st_size / 1e6
        started = time.process_time()
        stored = load(path, sha256=sha256, rows=rows)
        read = time.process_time() - started
    started = time.process_time()
    MemorySearcher.build(stored.items, stored.vectors_ND, FIELDS)
    made = time.process_time() - started
    return f"Flat: a file of {megabytes:.1f} MB, read and verified in {1e3 * read:.0f} ms, made in {1e3 * made:.0f} ms."


if __name__ == "__main__":
    main()
