"""Events of a shop that come late, what a run has read of them, and days that were computed from them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from orchestration.day_notes import DIGESTS, NOTES, digest_at, digests_by_day, note_day, note_digests

START, DAYS = datetime(2024, 1, 1), 10
HOUR = timedelta(hours=1)


def events(*late: tuple[int, int]) -> pl.DataFrame:
    """Three events a day, and late ones: (day of the event, day on which it became known)."""
    known = [(START + timedelta(days=day) + n * HOUR,) * 2 for day in range(DAYS) for n in range(3)]
    known += [(START + timedelta(days=day), START + timedelta(days=arrived) + HOUR) for day, arrived in late]
    columns = {"timestamp": [each for each, _ in known], "created": [each for _, each in known]}
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Datetime("us")))
    return frame.with_row_index("user_id").sort("timestamp", "user_id")


def write_run(values: Path, past: Path, frame: pl.DataFrame, end: datetime) -> Path:
    """Note what a run has read, as its asset does; returns the note.

    Args:
        values: folder of its values.
        past: folder of the values of runs in the past.
        frame: events, of which those count that were known before the end.
        end: end of the data.
    """
    note_digests(values, past, frame.filter(pl.max_horizontal("timestamp", "created") < end), end.date())
    return values / DIGESTS


def compute_day(past: Path, frame: pl.DataFrame, number: int) -> Path:
    """Note a day as its run does; returns the note.

    Args:
        past: folder of the values of runs in the past.
        frame: events.
        number: days since the start.
    """
    day = (START + timedelta(days=number)).date()
    note_day(past, day.isoformat(), digest_at(digests_by_day(frame), day), past / "none")
    return past / NOTES / f"{day}.json"
