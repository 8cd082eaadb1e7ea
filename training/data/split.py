"""The temporal split: train, validation inside train, hold-out after the cut."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta

import polars as pl

from feature_repo.errors import bad_input
from feature_repo.holdout import DEFAULT, WindowLength


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


def temporal_split(timestamps: pl.Series, *, holdout: str = DEFAULT, validation: str = DEFAULT) -> Split:
    """Split of the log by time, at a midnight.

    A hold-out of days is the last ones, that of the newest event included, where they have
    less than a tenth of the events. A hold-out of a share, and of days a tenth where they
    have more, starts with the day in which that quantile of the events falls, so it has at
    least that share: of a log of five days a fifth, its last one. Validation is at most a
    tenth of the time before the cut, in whole days and at least one. `end` lies a microsecond after the newest event.

    Args:
        timestamps: times of all events, Datetime, any order.
        holdout: length of the hold-out, such as `14d` or `10%`.
        validation: length of the validation window before the cut, such as `14d`.

    Returns:
        The three windows.

    Raises:
        InputError: no events at all, or none before the validation window, so that
            nothing could be learned from.
        ValueError: lengths that are none.
    """
    asked, before = WindowLength.of(holdout, "holdout"), WindowLength.of(validation, "validation", shares=False)
    if timestamps.is_empty():
        raise bad_input("events", "timestamp", "no events, so none after a cut", 0, [])
    events = timestamps.cast(pl.Datetime("us")).sort()
    oldest, newest = events[0], events[-1]
    cut = _midnight(events[int(len(events) * (1 - asked.share))])
    if asked.days:
        cut = max(cut, _midnight(newest) - timedelta(days=asked.days - 1))
    days = min(before.days or 1, max(1, (cut - oldest).days // 10))
    start = cut - timedelta(days=days)
    if oldest >= start:
        problem = f"no event before {start}, the start of {days} validation day(s) ahead of the cut at {cut}"
        raise bad_input("events", "timestamp", f"{problem}; a longer log is needed", len(events), [oldest, newest])
    return Split(validation_start=start, cut=cut, end=newest + timedelta(microseconds=1))


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time.min)
