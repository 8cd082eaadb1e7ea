"""Answers to users."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

TWO_TOWER, POPULAR = "two_tower", "popular"


@dataclass(frozen=True, kw_only=True)
class Recommended:
    """One item of an answer."""

    item_id: str
    score: float
    """Cosine of user and item, or the re-scorer's score (source two_tower); the item's count or prior (source
    popular)."""
    fields: dict[str, Any]
    """Stored fields by name."""
    new: bool = False
    """Whether the item came after the release was judged."""


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
