"""Guess of a hold-out that has enough users, where those of the default length are few."""

from __future__ import annotations

import polars as pl

from feature_repo.holdout import DEFAULT, MOST_DAYS, MOST_SHARE, WindowLength
from feature_repo.schema import USER_ID

ENOUGH_USERS = 500
"""Users with whom a loss of little more than the shipped policy's 2 % can be seen."""
WEEK = 7


def longer_holdout(events: pl.DataFrame) -> tuple[str, str] | None:
    """Shortest hold-out of whole weeks with enough users, and the users in words.

    Args:
        events: canonical events.

    Returns:
        The longest one, a tenth of the events, where none has enough; None where the
        default has enough, or is not shorter than that tenth.
    """
    times = events["timestamp"].dt.date()
    newest = times.max()
    ages = events.select(USER_ID, age=(pl.lit(newest) - times).dt.total_days())
    longest = min(MOST_DAYS, int(ages["age"].sort(descending=True)[int(len(ages) * (1 - MOST_SHARE))]) + 1)
    latest = ages.group_by(USER_ID).agg(pl.col("age").min())["age"]
    shortest = WindowLength.of(DEFAULT, "holdout").days or 0
    users = {length: int((latest < length).sum()) for length in (*range(shortest, longest, WEEK), longest)}
    if longest <= shortest or users[shortest] >= ENOUGH_USERS:
        return None
    chosen = next((length for length, number in users.items() if number >= ENOUGH_USERS), longest)
    measured = f"{users[shortest]:,} users in the last {shortest} days, {users[chosen]:,} in the last {chosen}"
    return f"{chosen}d", measured
