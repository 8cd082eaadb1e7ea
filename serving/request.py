"""One question to a release."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Request:
    """Question for the recommendations of one user."""

    user_id: str
    k: int
    """Number of items."""
    where: str | None = None
    """Filter, in the grammar of `serving.index.filters`; None for all items."""
    exclude: tuple[str, ...] = ()
    """Items that are left out."""
    exclude_seen: bool = False
    """Whether items that the user has seen are left out where the dataset lets them return."""
    session: tuple[str, ...] = ()
    """Items that the user has just met, the oldest first, which no stored feature knows yet. They are put in front of
    the stored history; a user of whom nothing is stored is described by them alone."""
    at: datetime | None = None
    """Time of the request, UTC; None for the present time."""
