"""Notes on days of the past: the events that each was computed from, and those that the newest run knows of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path

import polars as pl

from feature_repo.tables.snapshots import with_known
from feature_repo.whole_file import write_text

NOTES = "days"
"""Folder of the notes, beside the asset values of runs in the past."""
DIGESTS = "day_digests.json"
"""File beside the asset values of runs of today: of each noted day, the digest of what the newest run knows of it."""


@dataclass(frozen=True, kw_only=True)
class DayNote:
    """Note on a day whose training set was computed."""

    day: str
    """ISO date."""
    events: str
    """Digest of the events that were known at its end."""
    written: float
    """Time of the note, as a UNIX time."""
    folder: str = ""
    """Folder of everything derived from these; empty in notes of a former release."""


def note_day(values: Path, day: str, events: str, derived: Path) -> None:
    """Note what a day was computed from.

    Args:
        values: folder of the asset values of runs in the past.
        day: ISO date.
        events: digest of its events.
        derived: folder of everything derived from them.
    """
    folder = values / NOTES
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / f"{day}.json", json.dumps({"events": events, "folder": str(derived)}))


def read_notes(values: Path) -> list[DayNote]:
    """Read the notes of all days, the earliest first."""
    return [
        DayNote(day=path.stem, written=path.stat().st_mtime, **json.loads(path.read_text(encoding="utf-8")))
        for path in sorted((values / NOTES).glob("*.json"))
    ]


def day_folders(root: Path, dataset: str) -> Iterator[Path]:
    """Folders of the noted days of a dataset, which no cleaning removes.

    Args:
        root: folder of all asset values.
        dataset: name of the dataset.
    """
    folders = (Path(each.folder) for values in root.glob("*/") for each in read_notes(values))
    return (each for each in folders if each.parent.name == dataset)


def note_digests(values: Path, past: Path, events: pl.DataFrame, end: date) -> None:
    """Note what a run knows of the days that were computed before; without any, no digest is computed.

    Args:
        values: folder of the asset values of its dataset.
        past: that of runs in the past, with the notes.
        events: events that it has read.
        end: day in which they end, which is not over.
    """
    days = [day for each in read_notes(past) if (day := date.fromisoformat(each.day)) < end]
    digests = digests_by_day(events) if days else {}
    values.mkdir(parents=True, exist_ok=True)
    write_text(values / DIGESTS, json.dumps({day.isoformat(): digest_at(digests, day) for day in days}))


def reopened(values: Path, past: Path) -> list[str]:
    """Days whose events are others by what the newest run has read, in ascending order.

    A day that was computed after that run has known more than the run does.

    Args:
        values: folder of the asset values of a dataset, with the digests of the newest run.
        past: that of runs in the past, with the notes.
    """
    path = values / DIGESTS
    read, digests = path.stat().st_mtime, json.loads(path.read_text(encoding="utf-8"))
    older = [each for each in read_notes(past) if each.written < read]
    return [each.day for each in older if digests.get(each.day, each.events) != each.events]


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
