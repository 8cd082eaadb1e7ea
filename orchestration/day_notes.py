"""Notes on days of the past: the events that the training set of each was computed from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path

import polars as pl

from feature_repo.tables.snapshots import with_known
from feature_repo.whole_file import write_text

NOTES = "days"
"""Folder of the notes, beside the asset values of runs in the past."""


@dataclass(frozen=True, kw_only=True)
class DayNote:
    """Note on a day whose training set was computed."""

    day: str
    """ISO date."""
    events: str
    """Digest of the events that were known at its end."""
    written: float
    """Time of the note, as a UNIX time."""


def note_day(values: Path, day: str, events: str) -> None:
    """Note what a day was computed from.

    Args:
        values: folder of the asset values of runs in the past.
        day: ISO date.
        events: digest of its events.
    """
    folder = values / NOTES
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{day}.json", json.dumps({"events": events}))


def read_notes(values: Path) -> list[DayNote]:
    """Read the notes of all days, the earliest first."""
    return [
        DayNote(day=path.stem, written=path.stat().st_mtime, **json.loads(path.read_text(encoding="utf-8")))
        for path in sorted((values / NOTES).glob("*.json"))
    ]


def digests_by_day(events: pl.DataFrame) -> dict[date, str]:
    """Digest of all events that were known at the end of each day on which one became known, in ascending order.

    It depends on the content alone, not on versions of a hash function: each day's lines follow the digest of the day
    before.
    """
    numbered = with_known(events).with_columns(known=pl.col("known").dt.date())
    found: dict[date, str] = {}
    former = ""
    for (day,), rows in sorted(numbered.partition_by("known", as_dict=True, maintain_order=True).items()):
        lines = BytesIO()
        rows.write_ndjson(lines)
        former = found[day] = hashlib.sha256(former.encode() + lines.getbuffer()).hexdigest()
    return found


def digest_at(digests: dict[date, str], day: date) -> str:
    """Digest of what was known at the end of a day; empty before the first event."""
    return next((digest for known, digest in reversed(digests.items()) if known <= day), "")
