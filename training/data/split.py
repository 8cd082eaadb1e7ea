"""The temporal split: train, validation inside train, hold-out after the cut."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta

import polars as pl

from feature_repo.errors import bad_input


@dataclass(frozen=True, kw_only=True)
class Split:
    """Three half-open windows: train, validation inside it, hold-out after the cut.

    Early stopping uses the validation window, which is part of the training data of a
    final model; the hold-out is only ever measured on.
    """

    validation_start: datetime
    """Start of the validation window, which ends at the cut."""
    cut: datetime
    """End of the training part, and start of the hold-out."""
    end: datetime
    """End of the hold-out."""


def temporal_split(timestamps: pl.Series, *, holdout_share: float = 0.1, validation_days: int = 14) -> Split:
    """Split of the log by time, at a midnight.

    The cut is the start of the day in which the (1 - holdout_share) quantile of the
    events falls, so the hold-out has at least that share. In a short log validation is
    at most a tenth of the time before the cut, in whole days and at least one. `end`
    lies a microsecond after the newest event.

    Args:
        timestamps: times of all events, Datetime, any order.
        holdout_share: least share of the events behind the cut.
        validation_days: days before the cut that serve as validation window.

    Returns:
        The three windows.

    Raises:
        InputError: no events at all, or none before the validation window, so that
            nothing could be learned from.
        ValueError: holdout_share outside (0, 1) or validation_days below 1.
    """
    if not 0 < holdout_share < 1 or validation_days < 1:
        raise ValueError(f"got {holdout_share=}, {validation_days=}; wanted a share in (0, 1) and at least 1 day")
    if timestamps.is_empty():
        raise bad_input("events", "timestamp", "no events, so none after a cut", 0, [])
    events = timestamps.cast(pl.Datetime("us")).sort()
    oldest, newest = events[0], events[-1]
    cut = datetime.combine(events[int(len(events) * (1 - holdout_share))].date(), time.min)
    days = min(validation_days, max(1, (cut - oldest).days // 10))
    start = cut - timedelta(days=days)
    if oldest >= start:
        problem = f"no event before {start}, the start of {days} validation day(s) ahead of the cut at {cut}"
        raise bad_input("events", "timestamp", f"{problem}; a longer log is needed", len(events), [oldest, newest])
    return Split(validation_start=start, cut=cut, end=newest + timedelta(microseconds=1))
