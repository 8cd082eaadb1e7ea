"""A corpus whose scores are exact in float32, and what a search of it must find."""

from __future__ import annotations

import numpy as np
import polars as pl

from serving.index.base import Fields
from serving.search.base import Found

ITEMS, DIM = 3_000, 16
STEP = 4_096
"""Coordinates are multiples of 1/STEP: more digits than half precision has, few enough for exact float32 sums."""
FIELDS = Fields(
    types={"department": pl.String(), "price": pl.Float64(), "listed": pl.Int64(), "title": pl.String()},
    filterable=frozenset({"department", "price", "listed"}),
)


def unit(rows: int, seed: int, dim: int = DIM) -> np.ndarray:
    """Random vectors of about unit length."""
    vectors_ND = np.random.default_rng(seed).normal(size=(rows, dim))
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return (np.round(vectors_ND * STEP) / STEP).astype(np.float32)


def items_of(rows: int) -> pl.DataFrame:
    """Items in order of id, with fields of which some are missing."""
    numbers = range(rows)
    return pl.DataFrame(
        {
            "item_id": [f"i{n:06}" for n in numbers],
            "department": [(None, "food", "toys", "käse")[n % 4] for n in numbers],
            "price": [None if n % 5 == 0 else float(n % 7) - 3 for n in numbers],
            "listed": [None if n % 6 == 0 else n * 86_400_000_000 for n in numbers],
            "title": [f"Item {n}" for n in numbers],
        },
        schema={"item_id": pl.String, **FIELDS.types},
    )


VECTORS_ND = unit(ITEMS, seed=1)
# Ties: vectors stand twice, and three hundred rows hold the same one.
VECTORS_ND[1::10] = VECTORS_ND[::10]
VECTORS_ND[5::10] = VECTORS_ND[5]
QUERIES_QD = np.concatenate([unit(6, seed=2), VECTORS_ND[5:6]])


def wanted(user_QD: np.ndarray, item_ND: np.ndarray, k: int, allowed_N: np.ndarray | None = None) -> Found:
    """Oracle: a stable sort of all scores, in float64."""
    rows_QK = np.full((len(user_QD), k), -1, np.int32)
    scores_QK = np.full((len(user_QD), k), -np.inf, np.float32)
    kept = np.arange(len(item_ND)) if allowed_N is None else np.flatnonzero(allowed_N)
    for query, user_D in enumerate(user_QD.astype(np.float64)):
        scores_M = item_ND[kept].astype(np.float64) @ user_D
        best = np.argsort(-scores_M, kind="stable")[:k]
        rows_QK[query, : len(best)], scores_QK[query, : len(best)] = kept[best], scores_M[best]
    return rows_QK, scores_QK


def share_of(items: int, share: float) -> np.ndarray:
    """A random mask that allows a share of the items."""
    return np.random.default_rng(3).random(items) < share
