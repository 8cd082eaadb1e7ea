"""Popular items."""

from __future__ import annotations

import polars as pl

MOST = 16_384
"""Most items of a list: the most that a search gives."""


def popular_items(
    events: pl.DataFrame, corpus: pl.Series, *, days: int = 28, number: int = MOST
) -> list[tuple[str, int]]:
    """Most popular items of the newest days with their event counts.

    Ties are broken by the events of all time, then by id. Items without events come
    last, so that a small corpus is answered whole.

    Args:
        events: canonical events.
        corpus: ids of all items.
        days: length of the window before the newest event.
        number: most items to return.

    Returns:
        Item ids and events in the window, most first.
    """
    is_new = pl.col("timestamp") >= pl.col("timestamp").max() - pl.duration(days=days)
    counts = events.select("item_id", new=is_new.cast(pl.Int64)).group_by("item_id").agg(pl.sum("new"), ever=pl.len())
    ranked = corpus.alias("item_id").to_frame().join(counts, on="item_id", how="left").fill_null(0)
    ranked = ranked.sort(["new", "ever", "item_id"], descending=[True, True, False])
    return ranked.select("item_id", "new").head(number).rows()
