"""State of an event log in a file: whether it is sound, and what waits in it. A look writes nothing."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from feature_repo.datasets.stored import read_log_until
from feature_repo.events.base_note import note_path
from feature_repo.events.log_rows import EPOCH, FORMAT
from feature_repo.store.sqlite_rows import connect

WHOLE_BYTES = 100_000_000
"""Size up to which all of a file is checked: a larger one takes longer than a look should."""
OFFSET = "SELECT max(sequence) FROM offsets WHERE substr(consumer, -length(?1)) = ?1"
WAITING = "SELECT count(*), min(arrived) FROM events WHERE sequence > ? AND user_id <> ''"


@dataclass(frozen=True, kw_only=True)
class LogState:
    """State of an event log, as a look at it found it."""

    damage: str | None = None
    """What is wrong with the file; None if nothing is."""
    waiting: int = 0
    """Events that the online features do not have yet."""
    since: datetime | None = None
    """Arrival of the oldest of them, naive UTC."""


def log_state(path: Path, home: Path, dataset: str) -> LogState:
    """Look at the event log of a dataset.

    Args:
        path: the file.
        home: folder of the online store.
        dataset: name of the dataset.
    """
    try:
        with closing(connect(path)) as connection:
            damage = _damage(connection, path)
            return LogState(damage=damage) if damage else _waiting(connection, note_path(home, dataset))
    except sqlite3.Error as error:
        return LogState(damage=str(error))


def _damage(connection: sqlite3.Connection, path: Path) -> str | None:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found != FORMAT:
        return f"format {found}, wanted {FORMAT}"
    if path.stat().st_size > WHOLE_BYTES:
        return None
    (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return None if said == "ok" else str(said)


def _waiting(connection: sqlite3.Connection, note: Path) -> LogState:
    """Events behind the data that was loaded last, and behind what a consumer has taken since."""
    if not note.is_file():
        return LogState()  # before the first load, nothing is to be online
    base = json.loads(note.read_text(encoding="utf-8"))
    (taken,) = connection.execute(OFFSET, (f"from {base['key']}",)).fetchone()
    waiting, arrived = connection.execute(WAITING, (max(taken or 0, read_log_until(Path(base["folder"]))),)).fetchone()
    return LogState(waiting=waiting, since=EPOCH + timedelta(microseconds=arrived) if waiting else None)
