"""Newest rows of a feature table at a moment, and those not online yet."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.schema import CREATED_TIME, ENTITY_TIME, View


def newest_rows(path: Path, view: View, as_of: datetime) -> pl.DataFrame:
    """Key and times of each entity's newest row at a moment, sorted by key.

    Args:
        path: feature table.
        view: its view.
        as_of: the moment; rows that were not true or not known by then do not count.
    """
    key, times = view.entity.key, [ENTITY_TIME, CREATED_TIME]
    rows = pl.scan_parquet(path).select(key, *times)
    known = rows.filter(pl.all_horizontal(pl.col(time) <= as_of for time in times)).collect()
    return known.sort(times).unique(key, keep="last", maintain_order=True).sort(key)


def read_rows(path: Path, view: View, newest: pl.DataFrame) -> pl.DataFrame:
    """Rows of some keys and times, in their order.

    Args:
        path: feature table.
        view: its view.
        newest: the keys and times, sorted by key.
    """
    key, times = view.entity.key, [ENTITY_TIME, CREATED_TIME]
    if newest.is_empty():
        return pl.read_parquet(path, n_rows=0)
    # Row groups of sorted tables without any of the keys are then never read.
    first, last = pl.lit(newest[key][0]), pl.lit(newest[key][-1])
    near = pl.scan_parquet(path).filter(pl.col(key).is_between(first, last))
    return near.join(newest.lazy(), on=[key, *times], how="semi").sort(key).collect()


def differs(latest: pl.DataFrame, online: pl.DataFrame, view: View) -> pl.Series:
    """Mask of the rows that are not online in every value.

    Args:
        latest: rows of the feature table.
        online: online rows of the same entities in the same order.
        view: their view.
    """
    seconds = latest[ENTITY_TIME].dt.truncate("1s")
    differs = seconds.ne_missing(online[ENTITY_TIME].dt.truncate("1s"))  # online stores keep seconds
    for name in view.columns:
        differs |= latest[name].ne_missing(online[name])
    return differs
