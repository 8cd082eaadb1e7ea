"""Events of the log as a frame, with the columns of canonical events among others."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from feature_repo.events.log import EventLog, Logged
from feature_repo.events.log_rows import CONTENT, Row
from feature_repo.events.sqlite_log import SqliteEventLog
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


def frame_of(rows: Sequence[Row]) -> pl.DataFrame:
    """Make a frame of stored events: what `as_frame` makes of them, without an object for each.

    Args:
        rows: number, arrival and `CONTENT` of each event.
    """
    stored = {"sequence": pl.Int64(), "created": pl.Int64(), **{name: TYPES.get(name, pl.Int64()) for name in CONTENT}}
    frame = pl.DataFrame(rows, schema=stored, orient="row")
    frame = frame.with_columns(timestamp=pl.min_horizontal("time", "created"))  # as of `Event.timestamp`
    return frame.select(pl.col(name).cast(kind) for name, kind in TYPES.items())


def read_frame(log: EventLog, after: int = 0) -> pl.DataFrame:
    """Read all events behind a number, and the notes of forgotten users.

    The notes are rows of no kind of any dataset: with them, a run knows up to where it
    has read the log.

    Args:
        log: the log.
        after: number behind which they lie; 0 for the first.
    """
    start, frames = after, [as_frame([])]
    while (frame := _read(log, after)).height:
        frames.append(frame)
        after = frame["sequence"][-1]
    notes = [(each.sequence, NOTE, each.arrived) for each in log.forgotten(start)]
    frames.append(pl.DataFrame(notes, schema=["sequence", "kind", "created"], orient="row"))
    return pl.concat([frame.cast({name: TYPES[name] for name in frame.columns}) for frame in frames], how="diagonal")


def _read(log: EventLog, after: int) -> pl.DataFrame:
    """Read the next events behind a number."""
    if isinstance(log, SqliteEventLog):
        return frame_of(log.rows(after, _ROWS_AT_ONCE))
    return as_frame(log.read(after, _ROWS_AT_ONCE))
