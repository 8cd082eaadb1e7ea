"""Users with random histories, for the released world."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from tests.integration.release_world import ITEMS, NOW, USERS

DAY = 86_400_000_000
"""Microseconds."""


def random_users(number: int = 40) -> pl.DataFrame:
    """Draw users with up to six history items, some unknown; the towers see the first four."""
    rng = np.random.default_rng(0)
    names = np.array([*ITEMS["item_id"], "gone1", "gone2", "gone3"])
    sizes = rng.integers(0, 7, number)
    items = [rng.choice(names, size, replace=False).tolist() for size in sizes]
    now = int((NOW - datetime(1970, 1, 1)) / timedelta(microseconds=1))
    times = [(now - rng.integers(0, 90, size) * DAY).tolist() for size in sizes]
    return pl.DataFrame(
        {
            "user_id": [f"user{n:02}" for n in range(number)],
            "event_timestamp": [NOW] * number,
            "liked": rng.choice(["food", "toys"], number),
            "history_items": items,
            "history_times": times,
            "history_decayed": [(now + rng.integers(-90, 90, size) * DAY).tolist() for size in sizes],
            "history_counts": [rng.integers(1, 30, size).tolist() for size in sizes],
        },
        schema=USERS.schema,
    )
