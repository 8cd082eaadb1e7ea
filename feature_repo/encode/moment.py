"""Moment of a request: the time that ages, recencies and cycles are counted to."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl

from feature_repo.schema import ENTITY_TIME
from feature_repo.utc import microseconds, of_microseconds


def asked_at(frame: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Rows of features as a request at a moment reads them.

    Their event_timestamp becomes the moment. What is stored of them does not change with
    time, so that the rows are those that would be computed at the moment if nothing
    happened in between.

    Raises:
        ValueError: a row is newer than the moment.
    """
    times = frame[ENTITY_TIME].dt.epoch("us").drop_nulls().to_numpy()
    asked_times(times, np.full(len(times), microseconds(moment)))
    return frame.with_columns(pl.lit(moment, pl.Datetime("us")).alias(ENTITY_TIME))


def asked_times(times_B: np.ndarray, asked_B: np.ndarray) -> np.ndarray:
    """Times that rows of features have in requests: those of the requests.

    Args:
        times_B: their own times in microseconds, int64.
        asked_B: times of the requests, likewise.

    Raises:
        ValueError: a row is newer than its request.
    """
    # Not clamped: in an evaluation it would be knowledge of the future, which an age of 0
    # would hide.
    newer = np.flatnonzero(times_B > asked_B)
    if len(newer):
        first = newer[np.argmax(times_B[newer])]
        raise ValueError(
            f"features as of {of_microseconds(times_B[first])} for a request at {of_microseconds(asked_B[first])}: "
            f"{len(newer):,} of {len(times_B):,} rows are newer than the request; ask at their time or later, or read "
            "the rows that were true at the moment"
        )
    return asked_B
