"""Moment of a request: the time that ages, recencies and cycles are counted to."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from feature_repo.schema import ENTITY_TIME


def asked_at(frame: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Rows of features as a request at a moment reads them.

    Their event_timestamp becomes the moment. What is stored of them does not change with
    time, so that the rows are those that would be computed at the moment if nothing
    happened in between.

    Raises:
        ValueError: a row is newer than the moment.
    """
    newest = frame[ENTITY_TIME].max()
    # Not clamped: in an evaluation it would be knowledge of the future, which an age of 0
    # would hide.
    if isinstance(newest, datetime) and newest > moment:
        number = frame.filter(pl.col(ENTITY_TIME) > moment).height
        raise ValueError(
            f"features as of {newest} for a request at {moment}: {number:,} of {frame.height:,} rows are newer than "
            "the request; ask at their time or later, or read the rows that were true at the moment"
        )
    return frame.with_columns(pl.lit(moment, pl.Datetime("us")).alias(ENTITY_TIME))
