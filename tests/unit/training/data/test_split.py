from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

from feature_repo.errors import InputError
from training.data.split import temporal_split


def hourly(days: int, start: datetime = datetime(2024, 1, 1, 0, 30)) -> pl.Series:
    return pl.Series([start + timedelta(hours=hour) for hour in range(24 * days)])


def test_the_cut_is_the_midnight_of_the_day_with_the_quantile() -> None:
    split = temporal_split(hourly(205))
    # 205 days, one tenth is 20.5: the quantile falls into the middle of day 185 (counted from 0).
    assert split.cut == datetime(2024, 1, 1) + timedelta(days=184)
    assert split.validation_start == split.cut - timedelta(days=14)
    assert split.end == datetime(2024, 1, 1, 23, 30) + timedelta(days=204, microseconds=1)


def test_at_least_the_asked_share_lies_after_the_cut_even_when_days_differ_in_size() -> None:
    burst = pl.Series([datetime(2024, 4, 9, 12)] * 3000)
    events = pl.concat([hourly(120), burst.cast(pl.Datetime("us"))]).shuffle(seed=1)
    split = temporal_split(events, holdout_share=0.3)
    assert split.cut == datetime(2024, 4, 9)
    assert (events >= split.cut).mean() >= 0.3


@pytest.mark.parametrize(("days", "expected"), [(3, 1), (60, 5), (400, 14)])
def test_validation_shrinks_with_a_short_log(days: int, expected: int) -> None:
    split = temporal_split(hourly(days))
    assert (split.cut - split.validation_start).days == expected


def test_events_at_the_borders_belong_to_exactly_one_window() -> None:
    events = hourly(100, datetime(2024, 1, 1))
    split = temporal_split(events)
    assert split.cut in events and split.validation_start in events
    train = events < split.validation_start
    validation = (events >= split.validation_start) & (events < split.cut)
    holdout = (events >= split.cut) & (events < split.end)
    assert train.sum() + validation.sum() + holdout.sum() == len(events)
    assert min(train.sum(), validation.sum(), holdout.sum()) > 0


@pytest.mark.parametrize("events", [hourly(1), hourly(2), hourly(0).cast(pl.Datetime("us"))])
def test_a_log_too_short_to_learn_from_is_refused(events: pl.Series) -> None:
    with pytest.raises(InputError, match="events, column 'timestamp': no event"):
        temporal_split(events)


def test_a_share_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"holdout_share=1\.5"):
        temporal_split(hourly(10), holdout_share=1.5)
