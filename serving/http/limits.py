"""Limits of what a client may ask."""

from __future__ import annotations

from collections.abc import Sequence

from serving.http.errors import ApiError

MAX_ID = 1_000
"""Longest id of a user or an item, in characters."""
MAX_SESSION = 200
"""Most items of a session, as of a history."""
MAX_FILTER = 10_000
"""Longest filter, as of `serving.index.filters`."""


def check_number(name: str, value: int, most: int) -> None:
    """Refuse a number that is not from 1 to `most`."""
    if not 1 <= value <= most:
        raise ApiError(422, f"{name} is {value:,}, wanted 1 to {most:,}")


def check_list(name: str, values: Sequence[str], most: int, *, fewest: int = 0) -> None:
    """Refuse a list of ids that is too long or too short, or holds too long ids.

    Args:
        name: name of the list.
        values: the ids.
        most: most ids.
        fewest: fewest ids.
    """
    if not fewest <= len(values) <= most:
        raise ApiError(422, f"{name} has {len(values):,} values, wanted {fewest:,} to {most:,}")
    for value in values:
        check_id(name, value)


def check_id(name: str, value: str) -> None:
    """Refuse an empty id, or one that is too long."""
    if not 1 <= len(value) <= MAX_ID:
        raise ApiError(422, f"{name} has an id of {len(value):,} characters, wanted 1 to {MAX_ID:,}")


def check_filter(where: str | None) -> None:
    """Refuse a filter that is too long to be read."""
    if where and len(where) > MAX_FILTER:
        raise ApiError(422, f"the filter has {len(where):,} characters, wanted at most {MAX_FILTER:,}", position=1)
