"""Items that are offered at the moment: new ones, without the hidden and the withdrawn."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from typing import Protocol

from serving.engine.live_items import LiveItems, NewItems
from serving.guard import AwayError

logger = logging.getLogger(__name__)
WITHDRAWN_SECONDS = 5.0
"""Time between two looks for what a run has withdrawn."""


class Withdrawn(Protocol):
    """The method of the online features that is needed here."""

    def withdrawn_items(self) -> list[str]:
        """List the items that are not in the newest data."""


class Offer:
    """State of the items, as of the last look.

    Args:
        store: tells the withdrawn items; it answers when this is made.
        clock: seconds from any start.
    """

    def __init__(self, store: Withdrawn, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock = store, clock
        self._live: LiveItems | None = None
        self._looked = clock()
        self._hidden: Collection[str] = ()
        self.withdrawn = store.withdrawn_items()
        """Items that the newest run does not have."""
        self.left_out: Collection[str] = frozenset(self.withdrawn)
        """Items that nobody gets."""
        self.new = NewItems()
        """Items that came since the release was judged."""

    def follow(self, live: LiveItems) -> None:
        """Take new and hidden items from now on."""
        self._live = live

    def hurry(self) -> None:
        """Let new items be looked for at once."""
        if self._live:
            self._live.hurry()

    def has_changed(self) -> bool:
        """Look, and say whether anything is other than at the last look."""
        before = self.withdrawn, self._hidden, self.new
        if self._clock() - self._looked >= WITHDRAWN_SECONDS:
            self._look_for_withdrawn()
        if self._live:
            self._live.look()
            self._hidden, self.new = self._live.hidden, self._live.new
        if all(one is other for one, other in zip(before, (self.withdrawn, self._hidden, self.new), strict=True)):
            return False
        self.left_out = frozenset((*self.withdrawn, *self._hidden))
        return True

    def _look_for_withdrawn(self) -> None:
        self._looked = self._clock()
        try:
            found = self._store.withdrawn_items()
        except AwayError as error:
            logger.warning("the withdrawn items stay as they are: %s", error)
            return
        if found != self.withdrawn:
            self.withdrawn = found
