"""Random impressions, events and snapshots, and their answers row by row."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

UNTIL = datetime(2024, 2, 1)
CORPUS = pl.Series("item_id", [f"i{n}" for n in range(9)])
DAY = timedelta(days=1)


def impressions(rows: int, seed: int) -> pl.DataFrame:
    """Impressions around UNTIL: some known late, some of unknown users and items, some in no request."""
    rng = np.random.default_rng(seed)
    request = rng.integers(0, rows // 5, rows)
    hours = pl.duration(hours=pl.Series(request * 400 // (rows // 5) - 300))
    places = [int(place) if place else None for place in rng.integers(0, 7, rows)]
    frame = pl.DataFrame(
        {
            "user_id": [f"u{n}" for n in request % 12],
            "item_id": [f"i{n}" for n in rng.integers(0, 10, rows)],
            "request_id": [None if n % 4 == 0 else f"r{n}" for n in request],
            "position": pl.Series(places, dtype=pl.Int32),
            "click": [(None, False, True)[n] for n in rng.integers(0, 3, rows)],
            "device": [(None, "phone", "tablet")[n] for n in rng.integers(0, 3, rows)],
        }
    ).with_columns(timestamp=pl.lit(UNTIL) + hours)
    late = pl.duration(days=pl.Series(rng.integers(0, 3, rows) // 2 * 3))
    return frame.with_columns(created=pl.col("timestamp") + late)


def events(rows: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    hours = pl.duration(hours=pl.Series(rng.integers(-300, 100, rows)), minutes=30)
    users, items = ([f"{name}{n}" for n in rng.integers(0, 12, rows)] for name in "ui")
    frame = pl.DataFrame({"user_id": users, "item_id": items}).with_columns(timestamp=pl.lit(UNTIL) + hours)
    return frame.with_columns(created=pl.col("timestamp") + pl.duration(hours=pl.Series(rng.integers(0, 30, rows))))


def snapshots(seed: int, users: int = 11) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    days = [(f"u{n}", UNTIL - DAY * int(day)) for n in range(users) for day in rng.choice(14, 3, replace=False) - 2]
    return pl.DataFrame(days, ["user_id", "event_timestamp"], orient="row").sort("user_id", "event_timestamp")


def by_hand(shown: pl.DataFrame, log: pl.DataFrame, asked: pl.DataFrame) -> tuple[list[Any], Counter[str]]:
    """Answers as (snapshot row, [(item, position, device, click)]), and impressions by reason."""
    times = defaultdict(list)
    for row, (user, time) in enumerate(asked.rows()):
        times[user].append((time, row))
    known = [event for event in log.rows(named=True) if max(event["timestamp"], event["created"]) < UNTIL]
    reasons: Counter[str] = Counter()
    found = defaultdict(list)
    for row in shown.rows(named=True):
        moment = None if row["request_id"] else row["timestamp"]
        if max(row["timestamp"], row["created"]) >= UNTIL:
            reasons["time"] += 1
        elif row["item_id"] not in CORPUS:
            reasons["item"] += 1
        elif row["user_id"] not in times:
            reasons["user"] += 1
        else:
            found[row["user_id"], row["request_id"], moment].append(row)
    answers = []
    for (user, request, _), rows in found.items():
        first = min(row["timestamp"] for row in rows)
        before = [row for time, row in times[user] if time <= first]
        if not before:
            reasons["snapshot"] += len(rows)
            continue
        items: dict[str, Any] = {}
        open_yet = [row for row in rows if row["click"] is None and row["timestamp"] + DAY >= UNTIL]
        reasons["open"] += len(open_yet)
        for row in sorted((row for row in rows if row not in open_yet), key=_order):
            clicked = _clicked(row, known)
            if row["item_id"] in items:
                reasons["again"] += 1
                items[row["item_id"]][3] |= clicked
            else:
                items[row["item_id"]] = [row["item_id"], row["position"], row["device"], clicked]
        if items:
            answers.append(((user, first, request is not None, request), max(before), list(items.values())))
    return [answer[1:] for answer in sorted(answers, key=lambda answer: answer[0])], reasons


def _order(row: dict[str, Any]) -> tuple[Any, ...]:
    device = row["device"]
    place = row["position"] or 10**9
    return place, row["timestamp"], row["item_id"], row["created"], device is None, device or ""


def _clicked(row: dict[str, Any], known: list[dict[str, Any]]) -> bool:
    if row["click"] is not None:
        return bool(row["click"])
    return any(
        (event["user_id"], event["item_id"]) == (row["user_id"], row["item_id"])
        and timedelta(0) <= event["timestamp"] - row["timestamp"] <= DAY
        for event in known
    )
