"""Clicks left to the impressions: which interactions they are, and what retrieval learns without them."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from feature_repo.granularity import DAY as BY_DAY
from tests.unit.training.data.answers_world import DAY, UNTIL, events, impressions
from training.data.clicks import beside_clicks, with_clicks
from training.data.interactions import interactions
from training.data.retrieved import LEAST_LEFT, account, retrieved
from training.recipes import ImpressionTask

NOON = datetime(2024, 1, 10, 12)
ONCE = ImpressionTask()
Row = tuple[Any, ...]


def rows_at(*rows: tuple[str, str, timedelta], **columns: list[Any]) -> pl.DataFrame:
    users, items, hours = zip(*rows, strict=True)
    frame = pl.DataFrame({"user_id": users, "item_id": items, "timestamp": [NOON + each for each in hours], **columns})
    return frame.with_columns(created=pl.col("timestamp")).cast(
        {"timestamp": pl.Datetime("us"), "created": pl.Datetime("us")}
    )


def by_hand(log: pl.DataFrame, shown: pl.DataFrame) -> Counter[Row]:
    """Interactions known in time, less the first one without a value that follows each clicked impression."""
    known = [row for row in log.rows(named=True) if max(row["timestamp"], row["created"]) < UNTIL]
    clicks = set()
    free = log.filter(pl.col("value").is_null() | (pl.col("value") == 0))
    for row in with_clicks(shown, free, UNTIL).rows(named=True):
        if not row["click"] or max(row["timestamp"], row["created"]) >= UNTIL:
            continue
        after = [
            each["timestamp"]
            for each in known
            if (each["user_id"], each["item_id"]) == (row["user_id"], row["item_id"])
            and timedelta() <= each["timestamp"] - row["timestamp"] <= DAY
            and not each["value"]
        ]
        if after:
            clicks.add((row["user_id"], row["item_id"], min(after)))
    left = Counter((row["user_id"], row["item_id"], row["timestamp"]) for row in known)
    left.subtract(clicks)
    return +left


@pytest.mark.parametrize("seed", range(6))
def test_what_is_no_click_is_found_as_by_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    log = events(400, seed=seed)
    log = log.with_columns(
        value=pl.Series([None if n < 2 else n - 2.0 for n in rng.integers(0, 5, 400)], dtype=pl.Float64)
    )
    shown = impressions(600, seed=10 + seed)
    found = beside_clicks(log, shown, UNTIL).select("user_id", "item_id", "timestamp")
    wanted = by_hand(log, shown)
    assert Counter(found.rows()) == wanted
    assert 0 < wanted.total() < log.filter(pl.max_horizontal("timestamp", "created") < UNTIL).height - 10


def test_of_interactions_with_dates_only_the_one_of_the_day_is_the_click() -> None:
    midnight = timedelta(hours=-12)
    log = rows_at(("u", "a", midnight), ("u", "a", midnight + DAY), ("u", "b", midnight - DAY), ("v", "a", midnight))
    shown = rows_at(("u", "a", timedelta()), ("u", "b", timedelta()), click=[True, True])
    left = beside_clicks(log, shown, UNTIL).select("user_id", "item_id", "timestamp").rows()
    assert left == [("u", "a", NOON + midnight + DAY), ("u", "b", NOON + midnight - DAY), ("v", "a", NOON + midnight)]


@pytest.mark.parametrize("granularity", [BY_DAY, "event", "session 30m"])
def test_a_positive_is_left_out_if_all_its_interactions_are_clicks(granularity: str) -> None:
    minute, hours = timedelta(minutes=1), timedelta(hours=5)
    log = rows_at(
        ("u", "clicked", minute), ("u", "bought", minute), ("u", "bought", 2 * minute), ("u", "found", hours),
        ("u", "ignored", hours), ("u", "twice", minute), ("u", "twice", hours),
    ).sort("timestamp")  # fmt: skip
    names = ("clicked", "bought", "ignored", "twice")
    shown = rows_at(*(("u", name, timedelta()) for name in names), click=[True, True, False, True])
    positives = interactions(log, UNTIL, granularity)
    left = retrieved(positives, log, shown, UNTIL, ONCE, granularity)
    assert left.drop("weight").equals(positives.drop("weight"))
    out = left.filter(pl.col("weight").is_null())
    # By the day, a second interaction belongs to the same positive.
    wanted = {BY_DAY: ["clicked"], "session 30m": ["clicked", "twice"]}
    assert sorted(out["item_id"]) == wanted.get(granularity, ["bought", "clicked", "twice"])
    assert left.drop_nulls("weight")["weight"].to_list() == [1.0] * (left.height - out.height)
    assert account(left, ONCE).startswith(f"{out.height} of {left.height} positives are clicks of impressions")


def test_nothing_is_left_out_that_the_task_does_not_learn_alone() -> None:
    log, shown = events(200, seed=1), impressions(300, seed=2)
    positives = interactions(log, UNTIL)
    for task in (None, ImpressionTask(clicks_once=False), ImpressionTask(weight=1)):
        assert retrieved(positives, log, shown, UNTIL, task, BY_DAY) is positives
    assert retrieved(positives, log, None, UNTIL, ONCE, BY_DAY) is positives
    assert (
        account(positives, ImpressionTask(clicks_once=False)) == f"retrieval learns all {positives.height:,} positives"
    )


@pytest.mark.parametrize("others", [3, 4])
def test_clicks_stay_positives_where_hardly_anything_else_is_one(others: int) -> None:
    clicks = rows_at(*(("u", f"i{n}", timedelta()) for n in range(200 - others)))
    log = pl.concat([clicks, rows_at(*((f"v{n}", "i0", timedelta()) for n in range(others)))])
    positives = interactions(log, UNTIL)
    left = retrieved(positives, log, clicks.with_columns(click=True), UNTIL, ONCE, BY_DAY)
    if others >= LEAST_LEFT * 200:
        assert left["weight"].count() == others
    else:
        assert left.equals(positives)
        assert account(left, ONCE).endswith(", or fewer than 2% would be left")
