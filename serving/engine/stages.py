"""Time by stage of a batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Stages:
    """Milliseconds of one batch by the name of the stage."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of a block for a stage."""
        started = perf_counter()
        try:
            yield
        finally:
            self._seconds[name] += perf_counter() - started

    def take(self) -> dict[str, float]:
        """Return the milliseconds by stage and start again."""
        found = {name: round(seconds * 1000, 3) for name, seconds in self._seconds.items()}
        self._seconds.clear()
        return found
