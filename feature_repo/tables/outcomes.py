"""Impressions as they were known at a moment, with their outcomes."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from feature_repo.tables.snapshots import known_before


def shown_before(impressions: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Impressions that happened and were known before a moment, with what was known of them.

    A click that became known later was none yet, and a reward that became known later is
    unknown.
    """
    shown = known_before(impressions, moment)
    for outcome, yet in (("click", False), ("reward", None)):
        if (known := f"{outcome}_known") in shown.columns:
            later = pl.col(known) >= moment
            shown = shown.with_columns(
                pl.when(later).then(pl.lit(value, shown.schema[name])).otherwise(name).alias(name)
                for name, value in ((outcome, yet), (known, None))
            )
    return shown
