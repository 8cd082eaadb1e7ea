"""Answers to users, and their rows as a table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID

TWO_TOWER, POPULAR = "two_tower", "popular"
RESULT = {
    USER_ID: pl.String,
    "rank": pl.Int64,
    ITEM_ID: pl.String,
    "score": pl.Float64,
    "source": pl.String,
    "version": pl.Int64,
}
AS_OF = "features_as_of"
"""Column of the answers to many users: moment that their features stand for."""


@dataclass(frozen=True, kw_only=True)
class Recommended:
    """One item of an answer."""

    item_id: str
    score: float
    """Cosine of user and item, or the re-scorer's score (source two_tower); the item's count or prior (source
    popular)."""
    fields: dict[str, Any]
    """Stored fields by name."""


@dataclass(frozen=True, kw_only=True)
class Recommendations:
    """The answer to one user."""

    user_id: str
    version: int
    """The release that answered."""
    source: str
    """Source of the items: two_tower, or popular for an unknown user."""
    items: tuple[Recommended, ...]
    notes: tuple[str, ...] = ()
    """Remarks on the answer, such as fewer items than wanted."""
    features_as_of: datetime | None = None
    """Time of the last load of the online features, naive UTC, which may be long after the user's last event."""
    newest_row: datetime | None = None
    """Time of the user's newest features, naive UTC: later than the load if an event was taken in since."""
