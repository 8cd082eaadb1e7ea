"""What the training part says of an item's repetitions, for the repeat term.

Legend: V item vocabulary with the reserved codes, F facts.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feature_repo.encode import RESERVED, Encoder
from feature_repo.schema import Entity

USER, ITEM = Entity.USER.key, Entity.ITEM.key
PRIOR = 4.0
"""So many buyers, or gaps, of a typical item are added to those of each: an item of few says little of itself."""


def repeat_facts(positives: pl.DataFrame, encoder: Encoder) -> np.ndarray:
    """float32 [V, 3]: of every item id of the item encoder the log number of its buyers, the log share of them who came
    back for it, and the mean log of the days between. Standardised; 0 for what nobody bought and for reserved codes.

    positives: user_id, item_id, query_time; one row per user, day and item.
    """
    days = pl.col("query_time").diff().over(USER, ITEM).dt.total_days()
    gaps = positives.sort(USER, ITEM, "query_time").with_columns(gap=days.log1p())
    pairs = gaps.group_by(USER, ITEM).agg(gaps=pl.col("gap").count(), total=pl.col("gap").sum())
    items = pairs.group_by(ITEM).agg(
        buyers=pl.len(), again=(pl.col("gaps") > 0).sum(), gaps=pl.col("gaps").sum(), total=pl.col("total").sum()
    )
    share = pl.col("again").sum() / pl.col("buyers").sum()
    gap = pl.col("total").sum() / pl.col("gaps").sum().clip(1)
    facts = items.select(
        ITEM,
        pl.col("buyers").log(),
        again=((pl.col("again") + PRIOR * share) / (pl.col("buyers") + PRIOR)).clip(1e-6).log(),
        gap=(pl.col("total") + PRIOR * gap) / (pl.col("gaps") + PRIOR),
    ).with_columns((pl.exclude(ITEM) - pl.exclude(ITEM).mean()) / (pl.exclude(ITEM).std().fill_null(0) + 1e-6))
    ids = pl.DataFrame({ITEM: encoder.vocabularies[encoder.key]}, schema={ITEM: pl.String})
    known = ids.join(facts, on=ITEM, how="left", maintain_order="left").drop(ITEM).fill_null(0.0).to_numpy()
    return np.concatenate([np.zeros((RESERVED, known.shape[1])), known]).astype(np.float32)
