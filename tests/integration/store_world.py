"""Random feature tables of a small shop, with ties, nulls, late rows and corrections, and queries for them."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from feature_repo.schema import Entity, Feature, Kind, Schema, View

START = datetime(2021, 3, 1)
CORRECTION = {"user_activity": [pl.lit("corrected").alias("city")]}
HOURS = 400
USERS = [f"u{number}" for number in range(12)]
ACTIVITY = View(
    name="user_activity",
    entity=Entity.USER,
    features=(
        Feature(name="count", kind=Kind.NUMERIC),
        Feature(name="last", kind=Kind.TIMESTAMP),
        Feature(name="city", kind=Kind.CATEGORICAL),
    ),
)

HISTORY = View(
    name="user_history",
    entity=Entity.USER,
    features=(
        Feature(name="history", kind=Kind.HISTORY, length=3),
        Feature(name="face", kind=Kind.VECTOR, dim=2),
    ),
)

PROFILE = View(name="item_profile", entity=Entity.ITEM, features=(Feature(name="brand", kind=Kind.CATEGORICAL),))
SCHEMA = Schema(dataset="shop", seen_items_may_return=True, views=(ACTIVITY, HISTORY, PROFILE))
TYPES = {
    "count": pl.Float64,
    "last": pl.Int64,
    "city": pl.String,
    "history_items": pl.List(pl.String),
    "history_times": pl.List(pl.Int64),
    "history_counts": pl.List(pl.Int64),
    "history_decayed": pl.List(pl.Int64),
    "face": pl.List(pl.Float32),
    "brand": pl.String,
}


def hour(number: int) -> datetime:
    return START + timedelta(hours=number)


def log(view: View, rows: int, seed: int) -> pl.DataFrame:
    """Random rows on a coarse grid of hours: many ties with queries, rows known late, and some corrected later."""
    world = random.Random(seed)
    keys = USERS[:-2] if view.entity is Entity.USER else ["i0", "i1"]
    moments = {(world.choice(keys), world.randrange(0, HOURS, 4)) for _ in range(rows)}
    table = [
        {
            view.entity.key: key,
            "event_timestamp": hour(true),
            "created": hour(true + world.choice([0, 0, world.randrange(120)])),
            "count": world.choice([None, float(number)]),
            "last": world.choice([None, 2**52 + number]),
            "city": world.choice([None, "", f"city {number}"]),
            "history_items": world.choice([None, [], [f"i{number}", "j"]]),
            "history_times": world.choice([None, [], [2**52 + number]]),
            "history_counts": world.choice([None, [], [number, 2]]),
            "history_decayed": world.choice([None, [], [2**52 - number]]),
            "face": world.choice([None, [0.1 * number, -1.0]]),
            "brand": world.choice([None, f"brand {number}"]),
        }
        for number, (key, true) in enumerate(sorted(moments))
    ]
    times = {"event_timestamp": pl.Datetime("us"), "created": pl.Datetime("us")}
    columns = [view.entity.key, *times, *view.columns]
    known = pl.DataFrame(table, schema={view.entity.key: pl.String, **times, **TYPES}).select(columns)
    corrected = known[::5].with_columns(pl.col("created") + timedelta(hours=30), *CORRECTION.get(view.name, ()))
    return pl.concat([known, corrected])


def write(folder: Path, tables: dict[str, pl.DataFrame]) -> Path:
    for name, table in tables.items():
        path = folder / name.split("_")[0] / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table.write_parquet(path)
    return folder


def queries(seed: int = 9, rows: int = 300) -> pl.DataFrame:
    """Unique user moments in random order, users without rows and moments before all rows among them."""
    world = random.Random(seed)
    asked = [(user, hour(number)) for user in USERS for number in range(-8, HOURS + 100, 4)]
    return pl.DataFrame(
        world.sample(asked, rows),
        schema={"user_id": pl.String, "event_timestamp": pl.Datetime("us")},
        orient="row",
    )
