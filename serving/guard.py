"""Calls of a service that may be away: each has a time limit, and after a failure none is tried for a while.

So a service that does not answer delays one batch at most.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

logger = logging.getLogger(__name__)
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds without a try after a failure; the pause doubles with each failure in a row."""
Found = TypeVar("Found")


class AwayError(RuntimeError):
    """A service does not answer."""


class Guard:
    """Guard of one service. Calls are made in a thread of their own, one at a time.

    Args:
        name: the service, for messages.
        seconds: limit of a call.
        errors: errors that mean that the service is away; all others are the caller's.
        clock: seconds from any start.
    """

    def __init__(
        self,
        name: str,
        seconds: float,
        *,
        errors: tuple[type[Exception], ...],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name, self._seconds, self._errors, self._clock = name, seconds, errors, clock
        self._pause, self._until, self._reason = 0.0, 0.0, ""
        self._pool = self._thread()

    def call(self, work: Callable[[], Found], *, seconds: float | None = None) -> Found:
        """Call within the limit.

        Args:
            work: the call.
            seconds: limit of this call; None for that of all calls.

        Raises:
            AwayError: no answer, an error of the service, or the pause after one.
        """
        if self._clock() < self._until:
            raise AwayError(self._reason)
        limit = seconds or self._seconds
        future = self._pool.submit(work)
        try:
            found = future.result(limit)
        except TimeoutError as error:
            # The thread, which may hang, is left to itself.
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = self._thread()
            raise self._away(f"no answer within {limit:g} s") from error
        except self._errors as error:
            raise self._away(type(error).__name__) from error
        self._pause = 0.0
        return found

    def _thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix=self._name)

    def _away(self, problem: str) -> AwayError:
        self._pause = min(LONGEST_PAUSE, 2 * self._pause or FIRST_PAUSE)
        self._until = self._clock() + self._pause
        self._reason = f"{self._name} does not answer ({problem})"
        logger.warning("%s; the next try is in %g s", self._reason, self._pause, exc_info=True)
        return AwayError(self._reason)
