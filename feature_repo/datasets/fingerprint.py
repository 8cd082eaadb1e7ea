"""Fingerprint of a model's data: row counts, time range and a content hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import polars as pl

from feature_repo.datasets.canonical import Tables

_ROWS_AT_ONCE = 100_000


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """Row counts, first and last event time (UTC), SHA-256 (hex) over the content of the tables."""

    events: int
    users: int
    items: int
    impressions: int
    first: datetime
    last: datetime
    sha256: str


def fingerprint(tables: Tables) -> Fingerprint:
    """The fingerprint of canonical tables: independent of the row order of the files and of the run.

    The hash runs over the rows as JSON lines, in canonical order: a text form that does not depend on how
    the frame lies in memory.
    """
    digest = hashlib.sha256()
    shown = [] if tables.impressions is None else [tables.impressions]
    for frame in (tables.events, tables.users, tables.items, *shown):
        for rows in frame.iter_slices(_ROWS_AT_ONCE):
            digest.update(_json_lines(rows))
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
