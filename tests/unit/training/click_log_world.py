"""Impressions of the world of taste groups: answers in random order, of which early items are clicked more."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables

LENGTH, ANSWERS = 6, 4
LOOKS = (1.0, 0.6, 0.4, 0.3, 0.2, 0.15)
"""Probability of a look at each position."""


def shown_to(tables: Tables, *, first_day: int = 1, days: int = 50, seed: int = 0) -> pl.DataFrame:
    """Each user has some answers; items of the user's kind are clicked if they are looked at.

    Args:
        tables: the world, whose users u000, u001, ... and items are in four groups.
        first_day: day of the first answers.
        days: days over which the answers are spread.
        seed: random seed.
    """
    rng = np.random.default_rng(seed)
    users, items = tables.users["user_id"].to_list(), tables.items["item_id"].to_list()
    taken = tables.events.group_by("user_id").agg(pl.col("item_id").unique()).rows()
    liked = {user: set(theirs) for user, theirs in taken}
    start = tables.events["timestamp"].min()
    assert start is not None
    rows = []
    for user in users:
        for answer in range(ANSWERS):
            time = start + timedelta(days=first_day + int(rng.integers(days)), minutes=answer)  # type: ignore[operator]
            own = rng.choice(sorted(liked.get(user, set()))) if liked.get(user) else items[0]
            others = rng.choice([item for item in items if item != own], LENGTH - 1, replace=False)
            order = rng.permutation([own, *others])
            rows += [
                (
                    user,
                    item,
                    time,
                    f"{user}-{answer}",
                    position,
                    bool(item in liked.get(user, set()) and rng.random() < look),
                )
                for position, (item, look) in enumerate(zip(order, LOOKS, strict=True), 1)
            ]
    frame = pl.DataFrame(rows, ["user_id", "item_id", "timestamp", "request_id", "position", "click"], orient="row")
    return frame.with_columns(
        pl.col("position").cast(pl.Int32), pl.col("timestamp").cast(pl.Datetime("us")), created=pl.col("timestamp")
    ).select("user_id", "item_id", "timestamp", "created", "request_id", "position", "click")
