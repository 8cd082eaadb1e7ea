"""Events of a small shop, and its log."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from feature_repo.events.event import Event, EventKind

NOW = datetime(2024, 5, 31, 18)
CLICK = Event(event_id="e1", kind=EventKind.CLICK, user_id="u1", item_id="i1", time=NOW, arrived=NOW)


def click(number: int, **changes: object) -> Event:
    """Click number n, n seconds after NOW."""
    time = NOW + timedelta(seconds=number)
    return replace(CLICK, **({"event_id": f"e{number}", "time": time, "arrived": time} | changes))  # type: ignore[arg-type]
