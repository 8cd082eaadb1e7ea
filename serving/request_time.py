"""Moment of a request, to which the ages of its features are counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

STOPPED = timedelta(days=30)
"""Age of the newest online features from which on a log counts as stopped."""


@dataclass(frozen=True, kw_only=True)
class RequestTime:
    """Moment of a request."""

    moment: datetime
    """Time of the request, UTC without a zone."""
    note: str | None = None
    """Remark for the answer, where the moment is not the present time."""

    @classmethod
    def of(cls, at: datetime | None, *, now: datetime, loaded: datetime | None) -> RequestTime:
        """Find the moment of a request.

        Args:
            at: time that the request names; None for the present time.
            now: present time.
            loaded: time that the newest online features stand for; None if there are none.
        """
        if at is not None or loaded is None:
            return cls(moment=at or now)
        if now - loaded <= STOPPED:
            # A log may be ahead of this clock, by the tolerance of `datasets.clock`.
            return cls(moment=max(now, loaded))
        # Of a data set from the past, every age would be years, which no training has seen.
        return cls(moment=loaded, note=f"answered as of {loaded:%Y-%m-%d}, the time of the newest features")
