"""Consecutive windows of a hold-out: the same lists, by what was taken in each.

Legend: Q queries, N corpus items, W windows.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID
from training.evaluation.holdout import item_sets

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def window_name(number: int, windows: int) -> str:
    """Name of the slice of one window, counted from 1."""
    return f"window_{number}_of_{windows}"


def windows_of(
    events: pl.DataFrame,
    asked: pl.Series,
    corpus: pl.Series,
    start: datetime,
    end: datetime,
    windows: int,
) -> tuple[csr_array, ...]:
    """Distinct items that each query's user takes in each window, sparse [Q, N].

    Args:
        events: user_id, item_id and timestamp.
        asked: user ids of the queries.
        corpus: item ids, in the order of the item rows.
        start: start of the first window.
        end: end of the last one.
        windows: number of windows, all of one length; 0 for none.
    """
    after = events.filter((pl.col("timestamp") >= start) & (pl.col("timestamp") < end)).join(
        asked.alias(USER_ID).to_frame(), on=USER_ID, how="semi"
    )
    query = after[USER_ID].replace_strict(asked, np.arange(len(asked)), return_dtype=pl.Int64).to_numpy()
    item = after[ITEM_ID].replace_strict(corpus, np.arange(len(corpus)), return_dtype=pl.Int64).to_numpy()
    share = ((after["timestamp"] - start) / (end - start)).to_numpy()
    window = np.floor(share * windows).astype(np.int64)
    shape = (len(asked), len(corpus))
    return tuple(item_sets(query[window == n], item[window == n], shape) for n in range(windows))
