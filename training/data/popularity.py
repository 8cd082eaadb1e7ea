"""The most popular items: the answer to users of whom nothing is known."""

from __future__ import annotations

import polars as pl


def popular_items(
    events: pl.DataFrame, corpus: pl.Series, *, days: int = 28, number: int = 16_384
) -> list[tuple[str, int]]:
    """(item id, events over the newest days), most first: what a user gets of whom nothing is known.

    Equal ones by their events of all time, then by id. The corpus follows to its end, items without events last, so
    that a small one is answered whole; `number` is the most that a search gives.
    """
    is_new = pl.col("timestamp") >= pl.col("timestamp").max() - pl.duration(days=days)
    counts = events.select("item_id", new=is_new.cast(pl.Int64)).group_by("item_id").agg(pl.sum("new"), ever=pl.len())
    ranked = corpus.alias("item_id").to_frame().join(counts, on="item_id", how="left").fill_null(0)
    ranked = ranked.sort(["new", "ever", "item_id"], descending=[True, True, False])
    return ranked.select("item_id", "new").head(number).rows()
