"""Fingerprint of a model's data: row counts, time range and a content hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import polars as pl

from feature_repo.datasets.canonical import Tables

_ROWS_AT_ONCE = 100_000
"""Rows that are hashed at a time."""


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """Row counts, first and last event time, and a hash of the content."""

    events: int
    """Number of events."""
    users: int
    """Number of users."""
    items: int
    """Number of items."""
    impressions: int
    """Number of impressions."""
    first: datetime
    """Time of the first event, UTC."""
    last: datetime
    """Time of the last event, UTC."""
    sha256: str
    """SHA-256 over the content of the tables, in hex."""


def fingerprint(tables: Tables) -> Fingerprint:
    """Fingerprint of canonical tables.

    It depends neither on the row order of the files nor on the run.
    """
    digest = hashlib.sha256()
    shown = [] if tables.impressions is None else [tables.impressions]
    for frame in (tables.events, tables.users, tables.items, *shown):
        # JSON lines do not depend on the layout of a frame in memory.
        for rows in frame.iter_slices(_ROWS_AT_ONCE):
            digest.update(_json_lines(rows))
        # The end of a table, so that no row can move to the next one unnoticed.
        digest.update(b"\0")
    return Fingerprint(
        events=tables.events.height,
        users=tables.users.height,
        items=tables.items.height,
        impressions=sum(frame.height for frame in shown),
        first=tables.events["timestamp"].item(0),
        last=tables.events["timestamp"].item(-1),
        sha256=digest.hexdigest(),
    )


def _json_lines(rows: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    rows.write_ndjson(buffer)
    return buffer.getvalue()
