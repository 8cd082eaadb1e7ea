"""Planted worlds: small logs in which the right answer is known."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.schema import Entity, Feature, Kind, Schema, View
from feature_repo.standard_views import item_statistics_view, user_activity_view, user_history_view

START = datetime(2024, 1, 1)


def taste_groups(
    *,
    users: int = 120,
    items: int = 80,
    groups: int = 4,
    days: int = 70,
    per_day: int = 80,
    seed: int = 0,
    informative: bool = True,
    dataset: str = "world",
) -> Tables:
    """User u and item i belong to group u % groups and i % groups; users only take items of their group.

    informative=False takes the items at random: then nothing can be learned, and no model may beat popularity by much.
    """
    rng = np.random.default_rng(seed)
    total = days * per_day
    user = rng.integers(0, users, total)
    item = rng.integers(0, items // groups, total) * groups + (
        user % groups if informative else rng.integers(0, groups, total)
    )
    moment = np.sort(rng.integers(0, days * 86_400, total))
    timestamps = pl.Series([START + timedelta(seconds=int(second)) for second in moment], dtype=pl.Datetime("us"))
    events = pl.DataFrame(
        {
            "user_id": [f"u{n:03}" for n in user],
            "item_id": [f"i{n:03}" for n in item],
            "timestamp": timestamps,
            "created": timestamps,
            "value": rng.uniform(1, 9, total).round(2),
            "basket_id": [f"b{n // 2}" for n in range(total)],
        }
    ).sort("timestamp", "user_id", "item_id")
    return Tables(
        schema=world_schema(dataset),
        events=events,
        users=pl.DataFrame(
            {"user_id": [f"u{n:03}" for n in range(users)], "region": [f"r{n % 3}" for n in range(users)]}
        ),
        items=pl.DataFrame(
            {
                "item_id": [f"i{n:03}" for n in range(items)],
                "kind": [f"k{n % groups}" for n in range(items)],
                "title": [f"item {n} of kind {n % groups}" for n in range(items)],
            }
        ),
    )


def world_schema(dataset: str = "world") -> Schema:
    """Profiles with one categorical each, and all the standard views."""
    region = Feature(name="region", kind=Kind.CATEGORICAL)
    kind = Feature(name="kind", kind=Kind.CATEGORICAL, filterable=True)
    title = Feature(name="title", kind=Kind.TEXT, length=6, display=True, tower=False)
    return Schema(
        dataset=dataset,
        views=(
            View(name="user_profile", entity=Entity.USER, features=(region,)),
            user_activity_view(value=True, basket=True),
            user_history_view(20),
            View(name="item_profile", entity=Entity.ITEM, features=(kind, title)),
            item_statistics_view(value=True),
        ),
        seen_items_may_return=True,
    )


def group_of(id_: str, groups: int = 4) -> int:
    """The planted group of a user or an item."""
    return int(id_[1:]) % groups
