"""Small random logs with everything that bites: late arrivals, ties, midnights, Mondays, silent users, nulls."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.schema import Schema
from feature_repo.standard_views import item_statistics_view, user_activity_view, user_history_view

START = datetime(2024, 1, 1)  # a Monday
DAYS = 120
USERS = [f"u{n}" for n in range(9)]
"""The last two have no event."""
ITEMS = [f"i{n}" for n in range(12)]
MOMENTS = (START + timedelta(days=50), START + timedelta(days=70, hours=7), START + timedelta(days=2 * DAYS))
"""Two moments within the log, and one long after everything is known."""
GRANULARITIES = ("day", "session 6h", "session 2d", "event")
"""The times lie on a grid of six hours, so a gap of six hours just goes on."""
_TYPES = {
    "user_id": pl.String(),
    "item_id": pl.String(),
    "timestamp": pl.Datetime("us"),
    "created": pl.Datetime("us"),
    "value": pl.Float64(),
    "basket_id": pl.String(),
}

Event = dict[str, Any]


def random_events(seed: int, number: int = 250) -> list[Event]:
    """Times on a coarse grid, so that many are equal; half the events are known late, some by months, a few early."""
    dice = random.Random(seed)
    return [random_event(dice) for _ in range(number)]


def random_event(dice: random.Random) -> Event:
    timestamp = START + timedelta(hours=6 * dice.randrange(4 * DAYS))
    delay = dice.choice([-3, 0, 0, 0, 0, 6, 24, 24 * dice.randrange(80), 168 * dice.randrange(12)])
    return {
        "user_id": dice.choice(USERS[:-2]),
        "item_id": ITEMS[int(len(ITEMS) * dice.random() ** 2)],
        "timestamp": timestamp,
        "created": timestamp + timedelta(hours=delay),
        "value": dice.choice([None, 0.1, 0.2, -1.0, round(100 * dice.random(), 2)]),
        "basket_id": dice.choice([None, f"b{dice.randrange(40)}"]),
    }


def known(event: Event) -> datetime:
    """From when on an event may be used."""
    return max(event["timestamp"], event["created"])


def seen(events: list[Event], key: str, id_: str, moment: datetime) -> list[Event]:
    """The events of a user or item that were known before the moment."""
    return [event for event in events if event[key] == id_ and known(event) < moment]


def tables_of(
    events: list[Event], *, value: bool = True, basket: bool = True, length: int = 4, snapshots: str = "day"
) -> Tables:
    """The log in canonical form, with all computed views."""
    views = (
        user_activity_view(value=value, basket=basket),
        user_history_view(length),
        item_statistics_view(value=value),
    )
    columns = [name for name in _TYPES if (value or name != "value") and (basket or name != "basket_id")]
    return Tables(
        schema=Schema(dataset="log", views=views, seen_items_may_return=True, snapshots=snapshots),
        events=pl.DataFrame(events, schema=_TYPES).select(columns).sort("timestamp", "user_id", "item_id"),
        users=pl.DataFrame({"user_id": USERS}),
        items=pl.DataFrame({"item_id": ITEMS}),
    )


def microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1)) // timedelta(microseconds=1)
