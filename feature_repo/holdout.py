"""Lengths of the hold-out and of the validation window; no third-party import."""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT = "14d"
"""Length of both windows unless the dataset says otherwise: two weekends of each weekday."""
MOST_SHARE = 0.1
"""Newest share of the events beyond whose first day no duration reaches."""
MOST_DAYS, MOST_PERCENT = 3_650, 50
_DAYS, _PERCENT = re.compile(r"([1-9][0-9]{0,3})d"), re.compile(r"([1-9][0-9]?)%")


@dataclass(frozen=True)
class WindowLength:
    """Length as declared: whole days, or a share of the events."""

    text: str
    """The declaration."""
    days: int | None
    """Days; None for a share."""
    share: float
    """Share of the events: the least one of a share, the largest one of days."""

    @classmethod
    def of(cls, text: object, name: str, *, shares: bool = True) -> WindowLength:
        """Read a declaration.

        Args:
            text: the declaration, such as `14d` or `10%`.
            name: its key, for the error.
            shares: whether a share is one.

        Raises:
            ValueError: it is none.
        """
        found = _DAYS.fullmatch(text) if isinstance(text, str) else None
        if found and int(found[1]) <= MOST_DAYS:
            return cls(found[0], int(found[1]), MOST_SHARE)
        found = _PERCENT.fullmatch(text) if isinstance(text, str) and shares else None
        if found and int(found[1]) <= MOST_PERCENT:
            return cls(found[0], None, int(found[1]) / 100)
        more = f", or a share of the events such as 10%, at most {MOST_PERCENT}%" if shares else ""
        raise ValueError(f"{name} is {text!r}; wanted whole days such as {DEFAULT}, at most {MOST_DAYS}d{more}")
