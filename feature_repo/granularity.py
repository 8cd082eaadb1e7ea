"""Granularity of user snapshots; no third-party import.

In training, an interaction meets the features of one snapshot of its user: the start of
its day, the start of its session, or its own moment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

DAY, EVENT = "day", "event"
SESSION = "session 30m"
"""Session with the usual gap."""
_SESSION = re.compile(r"session +([1-9][0-9]{0,4})(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Granularity:
    """Granularity as declared: `day`, `event`, or `session` with a gap."""

    text: str
    """The declaration."""
    gap: timedelta | None = None
    """Time without an event after which a session has ended; None if it is no session."""

    @classmethod
    def of(cls, text: str) -> Granularity:
        """Read a declaration.

        Raises:
            ValueError: it is none.
        """
        if text in (DAY, EVENT):
            return cls(text)
        found = _SESSION.fullmatch(text)
        if not found:
            raise ValueError(
                f"snapshots is {text!r}; wanted {DAY}, {EVENT}, or a session with the gap that ends it, such as "
                f"{SESSION!r} (units: {', '.join(_UNITS)})"
            )
        return cls(text, timedelta(**{_UNITS[found[2]]: int(found[1])}))
