"""Events of the log as a frame, with the columns of canonical events among others."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from feature_repo.events.log import EventLog, Logged
from feature_repo.tables.types import TIME

TYPES = {
    "sequence": pl.Int64(),
    "event_id": pl.String(),
    "kind": pl.String(),
    "user_id": pl.String(),
    "item_id": pl.String(),
    "timestamp": TIME,
    "created": TIME,
    "value": pl.Float64(),
    "basket_id": pl.String(),
    "request_id": pl.String(),
    "position": pl.Int64(),
    "propensity": pl.Float64(),
    "row": pl.Int64(),
    "column": pl.Int64(),
    "randomised": pl.String(),
}
"""Columns of a frame of the log; `created` is the arrival."""
NOTE = "(forgotten)"
"""Kind of the row of a forgotten user."""
_ROWS_AT_ONCE = 100_000


def as_frame(logged: Sequence[Logged]) -> pl.DataFrame:
    """Make a frame of events, in their order."""
    rows = [
        (
            *(sequence, event.event_id, str(event.kind), event.user_id, event.item_id, event.timestamp, event.arrived),
            *(event.value, event.basket_id, event.request_id, event.position, event.propensity),
            *(event.row, event.column, event.randomised),
        )
        for sequence, event in ((each.sequence, each.event) for each in logged)
    ]
    return pl.DataFrame(rows, schema=TYPES, orient="row")


def read_frame(log: EventLog, after: int = 0) -> pl.DataFrame:
    """Read all events behind a number, and the notes of forgotten users.

    The notes are rows of no kind of any dataset: with them, a run knows up to where it
    has read the log.

    Args:
        log: the log.
        after: number behind which they lie; 0 for the first.
    """
    start, frames = after, [as_frame([])]
    while logged := log.read(after, _ROWS_AT_ONCE):
        frames.append(as_frame(logged))
        after = logged[-1].sequence
    notes = [(each.sequence, NOTE, each.arrived) for each in log.forgotten(start)]
    frames.append(pl.DataFrame(notes, schema=["sequence", "kind", "created"], orient="row"))
    return pl.concat([frame.cast({name: TYPES[name] for name in frame.columns}) for frame in frames], how="diagonal")
