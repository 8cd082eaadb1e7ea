"""The user history: the last distinct items of each user snapshot, with the last time, the count and the decayed count
of each.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from feature_repo.encode.numbers import MICROSECONDS_PER_DAY
from feature_repo.schema import Feature
from feature_repo.tables.decay import decayed_moments

COLUMNS = ("item", "time", "count", "decayed")
PARTS = ("items", "times", "counts", "decayed")
ROWS_AT_ONCE = 4_000_000
"""Bound on the (snapshot, item) rows in memory at a time, but for a user who has more."""


def user_history(seen: pl.DataFrame, snapshots: pl.DataFrame, feature: Feature) -> pl.DataFrame:
    """Lists of at most `feature.length` distinct items per snapshot, newest first (ties by item id).

    seen: as `seen_events` gives it. snapshots: user_id, event_timestamp, sorted by both.
    Returns the snapshots with `{name}_items` (strings), `{name}_times` (microseconds), `{name}_counts` and
    `{name}_decayed` (the moments T, microseconds); lists are empty where nothing is known yet.
    """
    assert feature.length is not None, "a history declares its length"
    names = {part: f"{feature.name}_{part}" for part in PARTS}
    stays = _stays(seen, snapshots, feature.half_life_days)
    lists = pl.concat([_newest(block, feature.length) for block in _blocks(stays)])
    return (
        snapshots.with_row_index("row")
        .join(lists.rename(names), on="row", how="left", maintain_order="left")
        .drop("row")
        .with_columns(pl.col(name).fill_null([]) for name in names.values())
    )


def _stays(seen: pl.DataFrame, snapshots: pl.DataFrame, half_life_days: float) -> pl.DataFrame:
    """item, time, count, decayed and the snapshot rows [enter, leave) of one user during which they hold, newest time
    first.

    `end`, the row after the user's last, tells the user.
    """
    items = pl.Enum(seen["item_id"].unique().sort())  # sorts and groups faster than strings, in the same order
    ends = snapshots.with_row_index("row").select(end=pl.col("row").max().over("user_id") + 1)["end"]
    pair, half_life = ["end", "item"], half_life_days * MICROSECONDS_PER_DAY
    events = (
        seen.select("enter", "known", item=pl.col("item_id").cast(items), time=pl.col("timestamp").cast(pl.Int64))
        .with_columns(end=pl.lit(ends).gather("enter"))
        .sort(*pair, "known", "time")
        .with_columns(count=pl.int_range(1, pl.len() + 1).over(pair), last=pl.col("time").cum_max().over(pair))
    )
    decayed = decayed_moments(events["time"].to_numpy(), events["count"].to_numpy() - 1, half_life)
    return (
        events.select(*pair, "enter", "count", time="last", decayed=pl.lit(decayed))
        .unique([*pair, "enter"], keep="last", maintain_order=True)
        .with_columns(leave=pl.col("enter").shift(-1).over(pair).fill_null(pl.col("end")))
        .sort("time", "item", descending=[True, False])
    )


def _blocks(stays: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The stays expanded to one row per (snapshot row, item), in their order, some whole users at a time."""
    sizes = stays.group_by("end").agg(size=(pl.col("leave") - pl.col("enter")).cast(pl.Int64).sum()).sort("end")
    numbers = sizes.select("end", block=pl.col("size").cum_sum() // ROWS_AT_ONCE)
    numbered = stays.join(numbers, on="end", how="left", maintain_order="left")
    for block in numbers["block"].unique().sort() if len(numbers) else [0]:
        part = numbered.filter(pl.col("block") == block)
        yield part.select(*COLUMNS, row=pl.int_ranges("enter", "leave", dtype=pl.UInt32)).explode("row")


def _newest(block: pl.DataFrame, length: int) -> pl.DataFrame:
    """row and PARTS: the first of each row. Grouping keeps their order, so that nothing is sorted here."""
    first = [pl.col(name).head(length).alias(part) for name, part in zip(COLUMNS, PARTS, strict=True)]
    return block.group_by("row").agg(first).with_columns(pl.col("items").cast(pl.List(pl.String)))
