"""A small shop whose log grows day by day, and its profiles."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.datasets.reading import Reading
from feature_repo.schema import Entity, Feature, Kind, Schema, View
from orchestration.data_page.profile import Profile, profile_tables

START = datetime(2024, 1, 1)
DAYS = 60
"""Days of the former log in the tests of single rules."""
MOST_DAYS = 62
COUNTRIES = ["at", "ch", "de", "fr"]
SCHEMA = Schema(
    dataset="shop",
    seen_items_may_return=True,
    views=(
        View(
            name="user_profile",
            entity=Entity.USER,
            features=(Feature(name="country", kind=Kind.CATEGORICAL), Feature(name="age", kind=Kind.NUMERIC)),
        ),
        View(
            name="item_profile",
            entity=Entity.ITEM,
            features=(
                Feature(name="price", kind=Kind.NUMERIC),
                Feature(name="tags", kind=Kind.MULTI_VALUED, length=4),
                Feature(name="released", kind=Kind.TIMESTAMP),
                Feature(name="title", kind=Kind.TEXT, length=4),
            ),
        ),
    ),
)


def shop(seed: int, days: int, *, per_day: int = 60, users: int = 80, items: int = 40, closed: bool = False) -> Tables:
    """The shop after some days: what was there on an earlier day is there on a later one.

    Args:
        seed: of the shop.
        days: days since its first event.
        per_day: mean number of events of a day.
        users: number of users; they come one after the other.
        items: number of items.
        closed: whether there is no event on Sundays.
    """
    events = _log(seed, per_day, users, items).filter(pl.col("day") < days)
    events = events.filter(pl.col("day") % 7 != 6) if closed else events
    prices = np.random.default_rng(seed).lognormal(2, 0.5, items).round(2)
    return sorted_tables(
        Tables(
            schema=SCHEMA,
            events=events.with_columns(value=pl.lit(pl.Series(prices)).gather(pl.col("item"))),
            users=events.select(pl.col("user_id").unique().sort()).with_columns(
                country=pl.lit(pl.Series(COUNTRIES)).gather(pl.col("user_id").str.slice(1).cast(pl.Int64) % 4),
                age=(20.0 + pl.col("user_id").str.slice(1).cast(pl.Int64) % 50),
            ),
            items=pl.DataFrame(
                {
                    "item_id": [f"i{n:03}" for n in range(items)],
                    "price": prices,
                    "tags": [["new", "sale"][: n % 3] or None for n in range(items)],
                    "released": [1_600_000_000_000_000 + n for n in range(items)],
                    "title": [f"thing {n}" for n in range(items)],
                }
            ),
        )
    )


@cache
def _log(seed: int, per_day: int, users: int, items: int) -> pl.DataFrame:
    """The log of MOST_DAYS days."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(MOST_DAYS), rng.poisson(per_day, MOST_DAYS).clip(min=1))
    # Squares: some users come early and often, others late.
    user = (rng.random(day.size) ** 2 * np.minimum(users, users // 2 + day)).astype(int)
    times = np.datetime64(START, "us") + (day * 86_400 + rng.integers(0, 86_400, day.size)).astype("timedelta64[s]")
    item = rng.integers(0, items, day.size)
    return pl.DataFrame({"day": day, "item": item, "timestamp": times, "created": times}).with_columns(
        user_id=pl.lit(pl.Series([f"u{n:03}" for n in range(users)])).gather(pl.lit(pl.Series(user))),
        item_id=pl.lit(pl.Series([f"i{n:03}" for n in range(items)])).gather("item"),
    )


def sorted_tables(tables: Tables) -> Tables:
    """Events in canonical order, with an account of their file."""
    events = tables.events.select("user_id", "item_id", "timestamp", "created", "value")
    events = events.sort("timestamp", "user_id", "item_id", "created", "value")
    reading = Reading(files=("events.csv",), rows=events.height, dropped=(), unused=())
    return replace(tables, events=events, readings={**tables.readings, "events": reading})


def profile(tables: Tables, days: int) -> Profile:
    """Profile of a run at the end of so many days."""
    return profile_tables(sorted_tables(tables), START + timedelta(days=days))
