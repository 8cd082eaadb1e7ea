"""Granularity that `init` proposes, from logs of known shapes."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml

from feature_repo.datasets import custom, tiny
from feature_repo.datasets.guess_snapshots import empty_shares, guess_snapshots
from feature_repo.datasets.init_config import init_folder
from feature_repo.errors import InputError

START = datetime(2024, 1, 1)


def log(*minutes: int, users: int = 60) -> pl.DataFrame:
    """Each user takes an item at each of some minutes after an hour of her own."""
    rows = [
        (f"u{user}", f"i{(user * 7 + number) % 90}", START + timedelta(hours=9 + 24 * user, minutes=minute))
        for user in range(users)
        for number, minute in enumerate(minutes)
    ]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return frame.with_columns(created="timestamp").cast({"timestamp": pl.Datetime("us"), "created": pl.Datetime("us")})


DAYS, HOURS, SITTING, BASKET = (0, 1440, 2880, 4320, 10_000), (0, 60, 120, 180), (0, 1, 2, 3), (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("minutes", "wanted", "guess"),
    [
        (DAYS, {"day": 1 / 5, "session 30m": 1 / 5, "event": 1 / 5}, "day"),
        (HOURS, {"day": 1, "session 30m": 1 / 4, "event": 1 / 4}, "session 30m"),
        (SITTING, {"day": 1, "session 30m": 1, "event": 1 / 4}, "event"),
        (BASKET, {"day": 1, "session 30m": 1, "event": 1}, "day"),
    ],
    ids=["days", "sessions of a day", "one sitting", "one basket"],
)
def test_the_share_of_empty_histories_decides(minutes: tuple[int, ...], wanted: dict[str, float], guess: str) -> None:
    shares = empty_shares(log(*minutes))
    assert shares == pytest.approx(wanted)
    assert guess_snapshots(shares) == guess


def test_what_arrives_late_fills_no_history() -> None:
    late = log(*DAYS).with_columns(created=pl.col("timestamp") + timedelta(days=30))
    assert empty_shares(late) == {"day": 1, "session 30m": 1, "event": 1}


def test_init_writes_the_guess_and_what_it_rests_on(tmp_path: Path) -> None:
    log(*SITTING).write_parquet(tmp_path / "events.parquet")
    path = init_folder(tmp_path).path
    (line,) = [line for line in path.read_text().splitlines() if line.startswith("snapshots:")]
    assert (
        line == "snapshots: event  # interactions without a history in training: day 100%, session 30m 100%, event 25%"
    )
    assert custom.load(tmp_path).schema.snapshots == "event"


def test_the_example_shop_keeps_its_days(tmp_path: Path) -> None:
    tiny.write(tmp_path, seed=7)
    assert yaml.safe_load(init_folder(tmp_path).path.read_text())["snapshots"] == "day"


def test_a_wrong_granularity_is_an_error_that_names_the_key(tmp_path: Path) -> None:
    log(*SITTING).write_parquet(tmp_path / "events.parquet")
    path = init_folder(tmp_path).path
    path.write_text(path.read_text().replace("snapshots: event", "snapshots: session"))
    with pytest.raises(InputError, match="snapshots is 'session'; wanted day, event, or a session with the gap"):
        custom.load(tmp_path)
