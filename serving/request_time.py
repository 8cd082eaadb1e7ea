"""Moment of a request, to which the ages of its features are counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from feature_repo.store.online_rows import UNKNOWN_TIME
from feature_repo.utc import microseconds

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

    def stale(self, times_B: np.ndarray, *, loaded: datetime | None, limit: timedelta) -> np.ndarray:
        """Mark the entities whose features are too old for this request, which Feast does not check online.

        Features are as old as the last load, which leaves the row of a quiet user as it is. A row that was pushed since
        is younger.

        Args:
            times_B: times of the rows, as `OnlineRows` has them.
            loaded: time that the online features stand for; None before the first load.
            limit: greatest age that is not too old.

        Returns:
            bool [B]; False for an entity of which nothing is known.
        """
        stand_B = times_B if loaded is None else np.maximum(times_B, microseconds(loaded))
        return (times_B != UNKNOWN_TIME) & (stand_B < microseconds(self.moment - limit))
