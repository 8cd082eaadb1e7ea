"""User history: last distinct items of each user snapshot, with facts of each.

The facts are the last time, the count and the decayed count.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from feature_repo.encode.numbers import MICROSECONDS_PER_DAY
from feature_repo.schema import Feature
from feature_repo.tables.decay import decayed_moments, running_max

COLUMNS = ("item", "time", "count", "decayed")
PARTS = ("items", "times", "counts", "decayed")
ROWS_AT_ONCE = 4_000_000
"""Most (snapshot, item) rows in memory at a time, except of a single user."""


def user_history(seen: pl.DataFrame, snapshots: pl.DataFrame, feature: Feature) -> pl.DataFrame:
    """Lists of at most `feature.length` distinct items per snapshot, newest first.

    Ties go by item id.

    Args:
        seen: `seen_events` of the snapshots.
        snapshots: user_id and event_timestamp, sorted by both.
        feature: the history.

    Returns:
        The snapshots with `{name}_items` (strings), `{name}_times` (microseconds),
            `{name}_counts` and `{name}_decayed` (moments T, microseconds). Lists are
            empty while nothing is known.
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
    """Facts of an item, and the snapshot rows [enter, leave) in which they hold.

    Columns: item, time, count, decayed, enter, leave, and `end`, the row after the
    user's last, which identifies the user. The newest time comes first.

    Args:
        seen: `seen_events` of the snapshots.
        snapshots: user_id and event_timestamp, sorted by both.
        half_life_days: half-life of the decayed count.
    """
    # An Enum sorts and groups faster than strings, in the same order.
    items = pl.Enum(seen["item_id"].unique().sort())
    ends = snapshots.with_row_index("row").select(end=pl.col("row").max().over("user_id") + 1)["end"]
    pair, half_life = ["end", "item"], half_life_days * MICROSECONDS_PER_DAY
    events = (
        seen.select("enter", "known", item=pl.col("item_id").cast(items), time=pl.col("timestamp").cast(pl.Int64))
        .with_columns(end=pl.lit(ends).gather("enter"))
        .sort(*pair, "known", "time")
    )
    # Events of a pair lie together, so neighbours say what a window over pairs would.
    position, time = _positions(events.select(pair)), events["time"].to_numpy()
    facts = {
        "time": running_max(time, position),
        "count": position + 1,
        "decayed": decayed_moments(time, position, half_life),
    }
    known = events.select(*pair, "enter", **{name: pl.lit(pl.Series(fact)) for name, fact in facts.items()})
    last = known.filter(pl.struct(*pair, "enter").ne_missing(pl.struct(*pair, "enter").shift(-1)))
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(-1) for name in pair)
    leave = pl.when(same).then(pl.col("enter").shift(-1)).otherwise("end")
    return last.with_columns(leave=leave).sort("time", "item", descending=[True, False])


def _positions(pairs: pl.DataFrame) -> np.ndarray:
    """Number of rows before each that are equal to it, where equal rows lie together."""
    row = np.arange(pairs.height)
    new = pairs.select(pl.any_horizontal(pl.all().ne_missing(pl.all().shift()))).to_series().to_numpy()
    return row - np.maximum.accumulate(np.where(new, row, 0))


def _blocks(stays: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Stays expanded to one row per (snapshot row, item), whole users at a time."""
    sizes = stays.group_by("end").agg(size=(pl.col("leave") - pl.col("enter")).cast(pl.Int64).sum()).sort("end")
    numbers = sizes.select("end", block=pl.col("size").cum_sum() // ROWS_AT_ONCE)
    numbered = stays.join(numbers, on="end", how="left", maintain_order="left")
    for block in numbers["block"].unique().sort() if len(numbers) else [0]:
        part = numbered.filter(pl.col("block") == block)
        yield part.select(*COLUMNS, row=pl.int_ranges("enter", "leave", dtype=pl.UInt32)).explode("row")


def _newest(block: pl.DataFrame, length: int) -> pl.DataFrame:
    """First items of each snapshot row: row and PARTS."""
    first = [pl.col(name).head(length).alias(part) for name, part in zip(COLUMNS, PARTS, strict=True)]
    # Grouping keeps the order within a group, so that nothing is sorted here.
    return block.group_by("row").agg(first).with_columns(pl.col("items").cast(pl.List(pl.String)))
