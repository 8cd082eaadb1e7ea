"""Data of each shape: generated, or real and named on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gatehouse as gh
import polars as pl

from tests.benchmarks.shapes.shops import SHOPS

MakeData = Callable[[int], gh.Dataset]
"""Dataset of a seed; real data are the same for every seed."""
COMPLETEJOURNEY, MOVIELENS = "completejourney", "movielens_100k"


def sources(movielens: Path | None = None, *, completejourney: bool = False) -> dict[str, MakeData]:
    """Shapes by name.

    Args:
        movielens: folder with ml-100k.inter, ml-100k.item and ml-100k.user; None leaves it out.
        completejourney: whether the default dataset is one of them.
    """
    found: dict[str, MakeData] = {name: _generated(name) for name in SHOPS}
    if movielens is not None:
        found[MOVIELENS] = lambda seed: movielens_100k(movielens)
    if completejourney:
        found[COMPLETEJOURNEY] = lambda seed: gh.Dataset.load(COMPLETEJOURNEY, holdout="10%")
    return found


def _generated(name: str) -> MakeData:
    def make(seed: int) -> gh.Dataset:
        shop = SHOPS[name](seed)
        return gh.Dataset.from_frames(shop.events, shop.users, shop.items, name=name, holdout="10%")

    return make


def movielens_100k(folder: Path) -> gh.Dataset:
    """MovieLens-100K, split by time, from the folder of recbole's wheel.

    Every rating is an interaction, as in `feature_repo.datasets.movielens`.

    Args:
        folder: recbole/dataset_example/ml-100k of the unpacked wheel.
    """
    events, items, users = (_table(folder / f"ml-100k.{suffix}") for suffix in ("inter", "item", "user"))
    return gh.Dataset.from_frames(
        events.with_columns(pl.col("timestamp").cast(pl.Float64).cast(pl.Int64), pl.col("rating").cast(pl.Float64)),
        users.with_columns(pl.col("age").cast(pl.Float64)),
        items.with_columns(
            pl.col("class").str.split(" "), pl.col("release_year").str.extract(r"^(\d{4})$").cast(pl.Int64)
        ).rename({"class": "genres"}),
        value="rating",
        epoch="s",
        name=MOVIELENS,
        holdout="10%",
    )


def _table(path: Path) -> pl.DataFrame:
    """Table whose columns are named name:type, all as text."""
    frame = pl.read_csv(path, separator="\t", infer_schema=False, quote_char=None)
    return frame.rename({name: name.split(":")[0] for name in frame.columns})
