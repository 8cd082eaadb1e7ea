"""Facts of items at a moment: how often they were taken lately, and since when.

They depend on the item and the moment alone. A moment sees what happened and was known
before it.

Legend: N items, F facts.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID
from feature_repo.tables.snapshots import known_before
from training.towers.item_prior import HALF_LIVES

FLOOR = 0.1
"""Interactions that are added to each decayed count, whose logarithm needs some."""


def item_facts(events: pl.DataFrame, items: pl.Series, moment: datetime) -> tuple[np.ndarray, np.ndarray]:
    """Facts of items, standardised over them.

    Args:
        events: canonical events, or interactions with `timestamp` alone.
        items: ids, in any order.
        moment: the moment; what became known then or later is not seen.

    Returns:
        Facts of the items, float64 [N, F], and those of an item of which nothing is known, [F].
    """
    age = (pl.lit(moment, pl.Datetime("us")) - pl.col("timestamp")) / timedelta(days=1)
    decayed = {f"decayed_{days:g}": (-age * (np.log(2) / days)).exp().sum() for days in HALF_LIVES}
    known = known_before(events, moment).group_by(ITEM_ID).agg(**decayed, age=age.max())
    rows = items.alias(ITEM_ID).to_frame().join(known, on=ITEM_ID, how="left", maintain_order="left")
    nothing = rows.clear(1)
    raw = pl.concat([rows, nothing]).select(
        *((pl.col(name).fill_null(0.0) + FLOOR).log() for name in decayed),
        pl.col("age").fill_null(0.0).log1p(),
        pl.col("age").is_null().cast(pl.Float64).alias("nothing"),
    )
    raw_NF = raw.to_numpy()
    mean_F, std_F = raw_NF[:-1].mean(axis=0), raw_NF[:-1].std(axis=0)
    # A fact that is the same for all items ranks none above another.
    facts_NF = np.where(std_F > 1e-9, (raw_NF - mean_F) / np.maximum(std_F, 1e-9), 0.0)
    # Far outside the corpus the weights say nothing that was learned.
    return facts_NF[:-1], facts_NF[-1].clip(facts_NF[:-1].min(axis=0), facts_NF[:-1].max(axis=0))
