"""A log is refused before its features exactly where its training or its evaluation would find nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from feature_repo.errors import InputError
from training.data.interactions import interactions
from training.data.split import Split
from training.data.windows import check_shown, check_windows
from training.evaluation.holdout import temporal_holdout
from training.evaluation.protocol import Protocol
from training.evaluation.slices import FieldSlices

START = datetime(2024, 1, 1)
SPLIT = Split(
    validation_start=START + timedelta(days=20), cut=START + timedelta(days=25), end=START + timedelta(days=30)
)
IDS = [str(n) for n in range(4)]


def random_log(seed: int) -> pl.DataFrame:
    """Few events of few users and items, some of which become known late."""
    rng = np.random.default_rng(seed)
    number = int(rng.integers(3, 14))
    hours = rng.integers(0, 30 * 24, number)
    late = np.where(rng.random(number) < rng.choice([0.1, 0.9]), rng.integers(0, 30 * 24, number), 0)
    times = [START + timedelta(hours=int(each)) for each in hours]
    known = [each + timedelta(hours=int(delay)) for each, delay in zip(times, late, strict=True)]
    ids = rng.choice(IDS[: rng.integers(1, 4)], (2, number))
    return pl.DataFrame({"user_id": ids[0], "item_id": ids[1], "timestamp": times, "created": known})


def would_fail(events: pl.DataFrame, returning: bool, trial: bool) -> bool:
    """Whether the training has no positive, or a window nothing to measure."""
    learned = SPLIT.validation_start if trial else SPLIT.cut
    if interactions(events, learned).is_empty():
        return True
    ids = pl.Series(IDS)
    for start, end in [(SPLIT.cut, SPLIT.end)] + ([(SPLIT.validation_start, SPLIT.cut)] if trial else []):
        try:
            Protocol.of(temporal_holdout(events, ids, ids, start, end, returning), None, (20,), FieldSlices())
        except ValueError as error:
            assert "no query has a relevant item" in str(error)
            return True
    return False


@pytest.mark.parametrize("returning", [True, False])
@pytest.mark.parametrize("trial", [True, False])
def test_it_is_refused_exactly_where_it_would_fail_later(returning: bool, trial: bool) -> None:
    outcomes = set()
    for seed in range(60):
        events = random_log(seed)
        late = would_fail(events, returning, trial)
        outcomes.add(late)
        if late:
            with pytest.raises(InputError):
                check_windows(events, SPLIT, seen_may_return=returning, trial=trial)
        else:
            check_windows(events, SPLIT, seen_may_return=returning, trial=trial)
    assert outcomes == {True, False}


def test_events_that_all_became_known_at_the_export_teach_nothing() -> None:
    events = pl.DataFrame(
        {"user_id": IDS * 7, "item_id": IDS * 7, "timestamp": [START + timedelta(days=day) for day in range(28)]}
    )
    check_windows(events.with_columns(created="timestamp"), SPLIT, seen_may_return=True, trial=True)
    with pytest.raises(InputError, match=r"no event was known before 2024-01-21.*leave `created` out"):
        check_windows(events.with_columns(created=pl.lit(SPLIT.end)), SPLIT, seen_may_return=True, trial=True)


@pytest.mark.parametrize(("trial", "first", "days"), [(True, 20, 10), (False, 25, 5)])
def test_impressions_are_refused_until_the_training_ends_behind_the_first(trial: bool, first: int, days: int) -> None:
    young = pl.DataFrame({"timestamp": [START] * 3, "created": [START + timedelta(days=first + n) for n in range(3)]})
    with pytest.raises(InputError, match=rf"none of 3 was known before .*{days} days beyond it"):
        check_shown(young, SPLIT, trial=trial)
    known = young.with_columns(pl.col("created") - timedelta(seconds=1))
    check_shown(known, SPLIT, trial=trial)
    # So many days later, the same windows begin just behind it.
    by = timedelta(days=days, seconds=1)
    later = Split(validation_start=SPLIT.validation_start + by, cut=SPLIT.cut + by, end=SPLIT.end + by)
    check_shown(young, later, trial=trial)


def test_impressions_without_clicks_are_refused_until_a_day_may_have_brought_them() -> None:
    end = SPLIT.validation_start
    young = pl.DataFrame({"timestamp": [end - timedelta(hours=12)]}).with_columns(created="timestamp")
    with pytest.raises(InputError, match=r"none of 1 was known before"):
        check_shown(young, SPLIT, trial=True)
    check_shown(young.with_columns(click=pl.lit(True)), SPLIT, trial=True)
    check_shown(young.with_columns(pl.all() - timedelta(hours=13)), SPLIT, trial=True)
    with pytest.raises(InputError, match="has no row"):
        check_shown(young.clear(), SPLIT, trial=True)
