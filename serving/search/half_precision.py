"""Candidates by faiss from vectors in half precision: a scan of all items, or a walk on a graph (HNSW).

Half precision reads half the memory; bfloat16 is widened in fewer steps than float16. Its scores are off by at most
`error` times the length of the query, and those of a product in float32 by at most `rounding` times, so that the caller
can tell which candidates are surely the best.

Legend: N items, Q queries, C candidates, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from serving.search.base import Found

ROWS_AT_ONCE = 65_536
NEIGHBOURS, BUILD_DEPTH, WALK_DEPTH = 32, 400, 1_024
"""HNSW's M, efConstruction and least efSearch."""
ROUNDING = 1e-6
"""Bound of the rounding of a float32 sum, relative to the lengths of both vectors."""


class HalfPrecisionIndex:
    """Item vectors in half precision, with or without a graph.

    Args:
        item_ND: vectors of the items.
        graph: graph as `graph_bytes` gave it; None for a scan only.
        threads: OpenMP threads of a search. One query takes one in any case.

    Raises:
        ValueError: a number that is not finite, or a graph of other vectors.
    """

    def __init__(self, item_ND: np.ndarray, graph: np.ndarray | None = None, *, threads: int = 1) -> None:
        faiss = load_faiss()
        self.threads = threads
        self._flat = faiss.IndexScalarQuantizer(
            item_ND.shape[1], faiss.ScalarQuantizer.QT_bf16, faiss.METRIC_INNER_PRODUCT
        )
        with omp_threads(threads):
            self._flat.add(item_ND)
        self._graph = None
        if graph is not None:
            self._graph = faiss.deserialize_index(graph, faiss.IO_FLAG_SKIP_STORAGE)
            # faiss would read beyond the vectors without a word.
            if (self._graph.ntotal, self._graph.d) != item_ND.shape:
                raise ValueError(f"a graph of {self._graph.ntotal:,} x {self._graph.d}, vectors {item_ND.shape}")
            self._graph.storage = self._flat
        self.error, self.rounding = _errors(self._flat, item_ND)

    @property
    def has_graph(self) -> bool:
        """Whether `walk` can be called."""
        return self._graph is not None

    def scan(self, user_QD: np.ndarray, count: int, allowed: np.ndarray | None) -> Found:
        """Find the candidates of the highest approximate scores among all items.

        Args:
            user_QD: vectors of the queries.
            count: number of candidates.
            allowed: bits of the items that may be found, as of `packed`; None for all.

        Returns:
            Rows int64 [Q, count] and approximate scores, best first; row -1 where there is no further item.
        """
        faiss = load_faiss()
        parameters = faiss.SearchParameters(sel=_selector(allowed))
        return self._search(self._flat, user_QD, count, parameters)

    def walk(self, user_QD: np.ndarray, count: int, allowed: np.ndarray | None) -> Found:
        """Find candidates on the graph; arguments and results as of `scan`.

        The graph misses some items, and most of them where few are allowed.
        """
        faiss = load_faiss()
        parameters = faiss.SearchParametersHNSW(sel=_selector(allowed), efSearch=max(WALK_DEPTH, count))
        return self._search(self._graph, user_QD, count, parameters)

    def _search(self, index: Any, user_QD: np.ndarray, count: int, parameters: Any) -> Found:
        with omp_threads(self.threads):
            scores_QC, rows_QC = index.search(user_QD, count, params=parameters)
        return rows_QC, scores_QC


def load_faiss() -> Any:
    """Import faiss at its first use.

    Its type stubs do not know what its Python layer adds.
    """
    import faiss

    return faiss


def graph_bytes(item_ND: np.ndarray, *, threads: int = 1) -> np.ndarray:
    """Build the graph of some vectors; the vectors themselves are not in it: uint8.

    One thread gives the same bytes each time, several threads do not.
    """
    faiss = load_faiss()
    graph = faiss.IndexHNSWSQ(item_ND.shape[1], faiss.ScalarQuantizer.QT_bf16, NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = BUILD_DEPTH
    with omp_threads(threads):
        graph.add(item_ND)
    content: np.ndarray = faiss.serialize_index(graph, faiss.IO_FLAG_SKIP_STORAGE)
    return content


@contextmanager
def omp_threads(number: int) -> Iterator[None]:
    """Run a block with a number of OpenMP threads.

    The number belongs to the calling thread, so that calls at the same time do not
    disturb each other.
    """
    faiss = load_faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(number)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def packed(allowed_N: np.ndarray) -> np.ndarray:
    """Bits of a mask, as faiss's selector reads them."""
    return np.packbits(allowed_N, bitorder="little")


def _selector(allowed: np.ndarray | None) -> Any:
    return None if allowed is None else load_faiss().IDSelectorBitmap(allowed)


def _errors(flat: Any, item_ND: np.ndarray) -> tuple[float, float]:
    """Largest error of a score in half precision, and in float32, for a query of length 1.

    ValueError for a number that is not finite.
    """
    error = longest = 0.0
    for start in range(0, len(item_ND), ROWS_AT_ONCE):
        rows_ND = item_ND[start : start + ROWS_AT_ONCE]
        if not np.isfinite(rows_ND).all():
            raise ValueError("vectors hold numbers that are not finite")
        stored_ND = flat.reconstruct_n(start, len(rows_ND))
        error = max(error, float(np.linalg.norm(stored_ND - rows_ND, axis=1).max()))
        longest = max(longest, float(np.linalg.norm(rows_ND, axis=1).max()))
    return error + ROUNDING * longest, ROUNDING * longest
