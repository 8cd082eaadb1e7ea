"""Numbers of the events of some calls: which are new, known, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from feature_repo.events.event import MAX_AHEAD, Event
from feature_repo.events.log import EventConflictError, EventLogError, Kept
from feature_repo.events.log_rows import EPOCH, Row, content_of
from feature_repo.utc import microseconds


def numbered(
    calls: Sequence[Sequence[Event]], known: dict[str, tuple[int, Row]], sequence: int, newest: int
) -> tuple[list[list[Kept] | Exception], list[Row]]:
    """Outcome of each call, and the rows of the events that are new.

    Args:
        calls: events of each call.
        known: numbers and contents of the events that the log holds, by id; gets those
            of the new ones.
        sequence: number of the newest event of the log; 0 for an empty one.
        newest: arrival of that event, in microseconds.
    """
    earliest = newest + 1
    outcomes: list[list[Kept] | Exception] = []
    rows: list[Row] = []
    for events in calls:
        if newest > microseconds(min(event.arrived for event in events) + MAX_AHEAD):
            outcomes.append(_ahead(newest, events[0]))
            continue
        found = {event.event_id: content_of(event) for event in events}
        conflict = next((e for e in events if _differs(e, known.get(e.event_id), found[e.event_id])), None)
        if conflict is not None:
            outcomes.append(_conflict(conflict))
            continue
        kept: list[Kept] = []
        for event in events:
            is_known = event.event_id in known
            if not is_known:
                sequence, earliest = sequence + 1, max(earliest, microseconds(event.arrived))
                known[event.event_id] = sequence, found[event.event_id]
                rows.append((sequence, earliest, *found[event.event_id]))
            kept.append(Kept(known[event.event_id][0], is_known))
        outcomes.append(kept)
    return outcomes, rows


def _differs(event: Event, known: tuple[int, Row] | None, sent: Row) -> bool:
    """Whether the log, or else the call, has another content for the id of an event."""
    own = content_of(event)
    if known and event.time == event.arrived:
        # Sent again, an event without a time of its own has that of a later arrival.
        own = (*own[:4], known[1][4], *own[5:])
    return own != (known[1] if known else sent)


def _ahead(newest: int, event: Event) -> EventLogError:
    # Moved behind it, the event would count from a time to come only.
    return EventLogError(
        f"the newest event of the log arrived at {EPOCH + timedelta(microseconds=newest)}, and this one at "
        f"{event.arrived}: a clock was wrong. If it is right now, move the log away to begin a new one"
    )


def _conflict(event: Event) -> EventConflictError:
    return EventConflictError(
        f"field 'event_id' is {event.event_id!a}, of which the log holds another content; wanted the same "
        "content again, or an id of its own for each event"
    )
