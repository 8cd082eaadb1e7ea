from __future__ import annotations

from datetime import datetime, time, timedelta

import numpy as np
import polars as pl
import pytest

from feature_repo.errors import InputError
from training.data.split import temporal_split


def hourly(days: int, start: datetime = datetime(2024, 1, 1, 0, 30)) -> pl.Series:
    return pl.Series([start + timedelta(hours=hour) for hour in range(24 * days)])


def midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time.min)


def test_the_cut_of_a_share_is_the_midnight_of_the_day_with_the_quantile() -> None:
    split = temporal_split(hourly(205), holdout="10%")
    # 205 days, one tenth is 20.5: the quantile falls into the middle of day 185 (counted from 0).
    assert split.cut == datetime(2024, 1, 1) + timedelta(days=184)
    assert split.validation_start == split.cut - timedelta(days=14)
    assert split.end == datetime(2024, 1, 1, 23, 30) + timedelta(days=204, microseconds=1)


@pytest.mark.parametrize(("days", "expected"), [(5, 1), (25, 3), (60, 6), (139, 14), (400, 14), (1200, 14)])
def test_the_holdout_stays_two_weeks_however_long_the_log_is(days: int, expected: int) -> None:
    split = temporal_split(hourly(days))
    assert split.cut == datetime(2024, 1, 1) + timedelta(days=days - expected)


def test_a_night_moves_the_cut_by_a_day() -> None:
    cuts = [temporal_split(hourly(days)).cut for days in range(400, 407)]
    assert np.unique(np.diff(cuts)).tolist() == [timedelta(days=1)]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("holdout", ["3d", "14d", "60d"])
def test_days_are_the_shorter_of_themselves_and_a_tenth_of_the_events(holdout: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Logs that grow, and logs that fade.
    ages = rng.beta(rng.uniform(0.3, 3), rng.uniform(0.3, 3), 500) * int(rng.integers(20, 900))
    events = pl.Series([datetime(2024, 1, 1) + timedelta(days=float(age)) for age in ages]).cast(pl.Datetime("us"))
    cut, days = temporal_split(events, holdout=holdout).cut, int(holdout[:-1])
    calendar = (midnight(events.max()) - cut).days + 1  # type: ignore[arg-type]
    assert cut == midnight(cut) and 1 <= calendar <= days
    if calendar < days:  # a tenth of the events is shorter: a day later there are less
        assert (events >= cut).mean() >= 0.1 > (events >= cut + timedelta(days=1)).mean()


def test_at_least_the_asked_share_lies_after_the_cut_even_when_days_differ_in_size() -> None:
    burst = pl.Series([datetime(2024, 4, 9, 12)] * 3000)
    events = pl.concat([hourly(120), burst.cast(pl.Datetime("us"))]).shuffle(seed=1)
    split = temporal_split(events, holdout="30%")
    assert split.cut == datetime(2024, 4, 9)
    assert (events >= split.cut).mean() >= 0.3


@pytest.mark.parametrize(("days", "expected"), [(3, 1), (60, 5), (400, 14)])
def test_validation_shrinks_with_a_short_log(days: int, expected: int) -> None:
    split = temporal_split(hourly(days))
    assert (split.cut - split.validation_start).days == expected


def test_validation_is_as_long_as_asked() -> None:
    split = temporal_split(hourly(400), validation="30d")
    assert split.cut - split.validation_start == timedelta(days=30)


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


@pytest.mark.parametrize("text", ["150%", "51%", "0%", "0d", "14", "14h", "14 d", "4000d", "", 14, 0.1, None])
def test_what_is_no_length_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"holdout is .*wanted whole days such as 14d.*share of the events such as"):
        temporal_split(hourly(100), holdout=text)  # type: ignore[arg-type]


def test_validation_takes_no_share() -> None:
    with pytest.raises(ValueError, match="validation is '10%'; wanted whole days"):
        temporal_split(hourly(100), validation="10%")
