"""A small collection of items with odd values, and what a search of it must find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.schema import Entity, Feature, Kind, Schema, View
from serving.settings import IndexParams, Settings

SCHEMA = Schema(
    dataset="shop",
    seen_items_may_return=True,
    views=(
        View(
            name="item_profile",
            entity=Entity.ITEM,
            features=(
                Feature(name="department", kind=Kind.CATEGORICAL, filterable=True),
                Feature(name="price", kind=Kind.NUMERIC, filterable=True),
                Feature(name="title", kind=Kind.TEXT, length=4, display=True),
                Feature(name="tags", kind=Kind.MULTI_VALUED, length=4, display=True),
                Feature(name="hidden", kind=Kind.NUMERIC),
            ),
        ),
    ),
)


ITEMS = pl.DataFrame(
    {
        "item_id": [f"i{n:03}" for n in range(300)],
        "department": [[None, 'fruit "fresh"', "back\\slash", "käse"][n % 4] for n in range(300)],
        "price": [None if n % 5 == 0 else float(n % 7) - 3 for n in range(300)],
        "title": [f"Item {n}" for n in range(300)],
        "tags": [["new", str(n)] if n % 2 else None for n in range(300)],
        "hidden": [0.0] * 300,
    }
)


def unit(rows: int, seed: int, dim: int = 8) -> np.ndarray:
    vectors_ND = np.random.default_rng(seed).normal(size=(rows, dim)).astype(np.float32)
    return vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)


VECTORS_ND = unit(300, seed=1)


QUERIES_QD = unit(3, seed=2)


def settings_in(home: Path, params: IndexParams | None = None) -> Settings:
    settings = Settings(home=home, mlflow_uri="", **({"index": params} if params else {}))
    settings.create_home()
    return settings


def expected(k: int, keep: pl.Expr | None = None) -> list[list[str]]:
    """An independent oracle: sort in Python floats."""
    rows = ITEMS.with_row_index().filter(pl.lit(True) if keep is None else keep)
    order = []
    for query_D in QUERIES_QD.astype(np.float64):
        scored = [(-float(VECTORS_ND[n] @ query_D), id_) for n, id_ in zip(rows["index"], rows["item_id"], strict=True)]
        order.append([id_ for _, id_ in sorted(scored)[:k]])
    return order
