"""A longer hold-out is proposed exactly where two weeks have few users, as counted day by day."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from feature_repo.datasets import custom
from feature_repo.datasets.guess_holdout import ENOUGH_USERS, longer_holdout
from feature_repo.datasets.init_config import init_folder
from feature_repo.errors import InputError
from training.data.split import temporal_split

START = datetime(2022, 1, 1)


def log(events: int, days: int, users: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame({
        "user_id": rng.integers(0, users, events).astype(str),
        "item_id": rng.integers(0, 50, events).astype(str),
        "timestamp": [START + timedelta(days=float(day)) for day in np.sort(rng.random(events)) * days],
    })  # fmt: skip


def users_of(events: pl.DataFrame, holdout: str) -> int:
    cut = temporal_split(events["timestamp"], holdout=holdout).cut
    return events.filter(pl.col("timestamp") >= cut)["user_id"].n_unique()


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_shortest_of_whole_weeks_with_enough_users(seed: int) -> None:
    events = log(20_000, 1_000, 5_000, seed)
    found = longer_holdout(events)
    assert found is not None
    days = int(found[0][:-1])
    assert users_of(events, "14d") < ENOUGH_USERS <= users_of(events, found[0])
    assert days % 7 == 0 and users_of(events, f"{days - 7}d") < ENOUGH_USERS
    assert f"{users_of(events, found[0]):,} in the last {days}" in found[1]


def test_it_is_the_tenth_of_the_events_where_none_has_enough() -> None:
    events = log(2_000, 1_000, 5_000)
    found = longer_holdout(events)
    assert found is not None
    tenth = temporal_split(events["timestamp"], holdout="10%").cut
    assert tenth == temporal_split(events["timestamp"], holdout=found[0]).cut
    newest = datetime.combine(events["timestamp"].max().date(), time.min)  # type: ignore[union-attr]
    assert int(found[0][:-1]) == (newest - tenth).days + 1


def test_nothing_is_proposed_where_two_weeks_do_or_a_tenth_is_shorter() -> None:
    assert longer_holdout(log(100_000, 1_000, 5_000)) is None
    assert longer_holdout(log(500, 100, 400)) is None


def test_init_writes_it_and_the_dataset_has_it(tmp_path: Path) -> None:
    log(2_000, 1_000, 5_000).write_csv(tmp_path / "events.csv")
    path = init_folder(tmp_path).path
    written = yaml.safe_load(path.read_text())["holdout"]
    assert custom.load(tmp_path).schema.holdout == written != "14d"
    path.write_text(path.read_text().replace(f"holdout: {written}", "holdout: 2 weeks"))
    with pytest.raises(InputError, match="holdout is '2 weeks'; wanted whole days such as 14d"):
        custom.load(tmp_path)


def test_init_is_silent_where_two_weeks_do(tmp_path: Path) -> None:
    log(500, 100, 400).write_csv(tmp_path / "events.csv")
    assert "holdout" not in init_folder(tmp_path).path.read_text()
