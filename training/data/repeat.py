"""Labels of the repeat head, and facts of items about repetition.

Legend: Q user snapshots, L positions of a history, T interactions, V item vocabulary.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feature_repo.encode import RESERVED, Encoder
from feature_repo.schema import ITEM_ID, USER_ID

ROWS_PER_BLOCK = 16_384
"""Snapshots that are labelled at a time."""


def repeat_labels(
    item_QL: np.ndarray,
    user_Q: np.ndarray,
    time_Q: np.ndarray,
    taken: tuple[np.ndarray, np.ndarray, np.ndarray],
    window: int,
) -> np.ndarray:
    """Labels of the repeat head: history items that the user takes again.

    Args:
        item_QL: items by number, below 0 for none.
        user_Q: users of the snapshots.
        time_Q: times of the snapshots, int.
        taken: users, items and snapshot times of the interactions, [T] each; none may lie
            behind the end of the training part.
        window: length of the window, which starts at the snapshot, in the unit of the
            times.

    Returns:
        bool [Q, L].
    """
    # Ranks of times: with microseconds the keys would leave 64 bits.
    times = np.unique(taken[2])
    span, first_Q, end_Q = len(times) + 1, *(np.searchsorted(times, each) for each in (time_Q, time_Q + window))
    items = int(max(taken[1].max(), item_QL.max(initial=0))) + 1
    keys_T = np.sort((taken[0].astype(np.int64) * items + taken[1]) * span + np.searchsorted(times, taken[2]))
    keys_T = np.append(keys_T, np.iinfo(np.int64).max)
    label_QL = np.empty(item_QL.shape, bool)
    for start in range(0, len(item_QL), ROWS_PER_BLOCK):
        rows = slice(start, start + ROWS_PER_BLOCK)
        item_qL = item_QL[rows]
        pair_qL = (user_Q[rows, None].astype(np.int64) * items + item_qL) * span
        next_qL = keys_T[np.searchsorted(keys_T, pair_qL + first_Q[rows, None])]
        label_QL[rows] = (item_qL >= 0) & (next_qL < pair_qL + end_Q[rows, None])
    return label_QL


PRIOR = 4.0
"""Buyers, or gaps, of a typical item that are added to those of each: an item of few
says little of itself."""


def repeat_facts(positives: pl.DataFrame, encoder: Encoder) -> np.ndarray:
    """Facts of every item code about repetition: float32 [V, 3].

    Log number of buyers, log share of them who came back for the item, mean log of the
    days between; standardised, 0 for items without buyers and for reserved codes.

    Args:
        positives: user_id, item_id, query_time; one row per user, snapshot and item.
        encoder: the item encoder.
    """
    ordered = positives.select(USER_ID, ITEM_ID, "query_time").sort(USER_ID, ITEM_ID, "query_time")
    same = [
        (pl.col(name) == pl.col(name).shift()).fill_null(False) for name in (USER_ID, ITEM_ID)
    ]  # faster than over()
    days = pl.col("query_time").diff().dt.total_days().log1p()
    gaps = ordered.select(ITEM_ID, gap=pl.when(pl.all_horizontal(same)).then(days))
    first = pl.col("gap").is_null()
    items = (
        gaps.with_columns(second=~first & first.shift())
        .group_by(ITEM_ID)
        .agg(buyers=first.sum(), again=pl.col("second").sum(), gaps=pl.col("gap").count(), total=pl.col("gap").sum())
    )
    share = pl.col("again").sum() / pl.col("buyers").sum()
    gap = pl.col("total").sum() / pl.col("gaps").sum().clip(1)
    facts = items.select(
        ITEM_ID,
        pl.col("buyers").log(),
        again=((pl.col("again") + PRIOR * share) / (pl.col("buyers") + PRIOR)).clip(1e-6).log(),
        gap=(pl.col("total") + PRIOR * gap) / (pl.col("gaps") + PRIOR),
    ).with_columns((pl.exclude(ITEM_ID) - pl.exclude(ITEM_ID).mean()) / (pl.exclude(ITEM_ID).std().fill_null(0) + 1e-6))
    ids = pl.DataFrame({ITEM_ID: encoder.vocabularies[encoder.key]}, schema={ITEM_ID: pl.String})
    known = ids.join(facts, on=ITEM_ID, how="left", maintain_order="left").drop(ITEM_ID).fill_null(0.0).to_numpy()
    return np.concatenate([np.zeros((RESERVED, known.shape[1])), known]).astype(np.float32)
