"""A shop with other items each era, or always the same: how often should one retrain?"""

from __future__ import annotations

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables
from tests.worlds import START, world_schema

GROUPS, ERA = 4, 42
"""Groups of users and items; days after which all items are replaced."""


def shop_world(*, drifts: bool, days: int = 76, users: int = 80, items: int = 80, per_day: int = 80) -> Tables:
    """Users take items of their group and era, at random: a version knows nothing of the next era.

    A list of 20 can hold all items of the user's group.

    Args:
        drifts: whether there are eras; else the items of the first one stay.
        days: days of the log.
        users: number of users.
        items: number of items of an era.
        per_day: events of a day.
    """
    rng, eras = np.random.default_rng(0), (days - 1) // ERA + 1 if drifts else 1
    day_E = np.repeat(np.arange(days), per_day)
    user_E = rng.integers(0, users, len(day_E))
    item_E = rng.integers(0, items // GROUPS, len(day_E)) * GROUPS + user_E % GROUPS + day_E // ERA * items * drifts
    seconds_E = day_E * 86_400 + rng.integers(0, 86_400, len(day_E))
    times = pl.Series(np.datetime64(START, "us") + seconds_E.astype("timedelta64[s]")).cast(pl.Datetime("us"))
    events = pl.DataFrame(
        {
            "user_id": [f"u{each:03}" for each in user_E],
            "item_id": [f"i{each:03}" for each in item_E],
            "timestamp": times,
            "created": times,
            "value": rng.uniform(1, 9, len(day_E)).round(2),
            "basket_id": [f"b{each // 2}" for each in range(len(day_E))],
        }
    )
    return Tables(
        schema=world_schema("drift"),
        events=events.sort("timestamp", "user_id", "item_id"),
        users=pl.DataFrame({"user_id": [f"u{n:03}" for n in range(users)], "region": ["r"] * users}),
        items=pl.DataFrame(
            {
                "item_id": [f"i{n:03}" for n in range(items * eras)],
                "kind": [f"k{n % GROUPS}" for n in range(items * eras)],
                "title": [f"item {n}" for n in range(items * eras)],
            }
        ),
    )
