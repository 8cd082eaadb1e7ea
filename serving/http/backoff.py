"""Growing pauses between tries."""

from __future__ import annotations

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 60.0


class Backoff:
    """Pauses by version: doubled after each failure in a row.

    Args:
        first: seconds of the first pause.
        longest: most seconds.
    """

    def __init__(self, *, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS) -> None:
        self._first, self._longest = first, longest
        self._pauses: dict[int, tuple[float, float]] = {}

    def is_due(self, version: int, now: float) -> bool:
        """Whether a version may be tried."""
        return now >= self._pauses.get(version, (0.0, now))[1]

    def failed(self, version: int, now: float) -> float:
        """Note a failure and return the seconds until the next try."""
        former = self._pauses.get(version, (0.0, 0.0))[0]
        pause = min(self._longest, 2 * former or self._first)
        self._pauses[version] = pause, now + pause
        return pause

    def forget(self, version: int) -> None:
        """Forget the failures of a version."""
        self._pauses.pop(version, None)
