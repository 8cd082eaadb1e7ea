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
    day_Q: np.ndarray,
    taken: tuple[np.ndarray, np.ndarray, np.ndarray],
    days: int,
) -> np.ndarray:
    """Labels of the repeat head: history items that the user takes again.

    The window is `days` days, the snapshot's own the first.

    Args:
        item_QL: items by number, below 0 for none.
        user_Q: users of the snapshots.
        day_Q: days of the snapshots, int.
        taken: users, items and days of the interactions, [T] each; none may lie behind
            the end of the training part.
        days: length of the window.

    Returns:
        bool [Q, L].
    """
    span = int(max(taken[2].max(), day_Q.max()) + days + 1)
    items = int(max(taken[1].max(), item_QL.max(initial=0))) + 1
    keys_T = np.sort((taken[0].astype(np.int64) * items + taken[1]) * span + taken[2])
    keys_T = np.append(keys_T, np.iinfo(np.int64).max)
    label_QL = np.empty(item_QL.shape, bool)
    for start in range(0, len(item_QL), ROWS_PER_BLOCK):
        rows = slice(start, start + ROWS_PER_BLOCK)
        item_qL, first_q = item_QL[rows], user_Q[rows, None].astype(np.int64) * items
        keys_qL = (first_q + item_qL) * span + day_Q[rows, None]
        next_qL = keys_T[np.searchsorted(keys_T, keys_qL)]
        label_QL[rows] = (item_qL >= 0) & (next_qL < keys_qL + days)
    return label_QL


PRIOR = 4.0
"""Buyers, or gaps, of a typical item that are added to those of each: an item of few
says little of itself."""


def repeat_facts(positives: pl.DataFrame, encoder: Encoder) -> np.ndarray:
    """Facts of every item code about repetition: float32 [V, 3].

    Log number of buyers, log share of them who came back for the item, mean log of the
    days between; standardised, 0 for items without buyers and for reserved codes.

    Args:
        positives: user_id, item_id, query_time; one row per user, day and item.
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
