"""Note of the data that online features were loaded from, for those that read no table."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feature_repo.event_kinds import DEFAULT_KINDS, Kinds, read_kinds


def note_path(home: Path, dataset: str) -> Path:
    """File of the note in the folder of the online store."""
    return home / "bases" / f"{dataset}.json"


def loaded_folder(home: Path, dataset: str) -> Path | None:
    """Folder of the tables that online features were loaded from; None before a run has loaded any."""
    path = note_path(home, dataset)
    return Path(json.loads(path.read_text(encoding="utf-8"))["folder"]) if path.is_file() else None


def loaded_at(home: Path, dataset: str) -> datetime | None:
    """Time at which a run last brought the online features to its data; None before the first.

    Each such run writes the note, also where it finds nothing to change.
    """
    try:
        written = note_path(home, dataset).stat().st_mtime
    except FileNotFoundError:
        return None
    return datetime.fromtimestamp(written, UTC).replace(tzinfo=None)


def kinds_reader(home: Path, dataset: str) -> Callable[[], Kinds]:
    """Make the reader of the kinds that the newest run knows.

    The reader returns the default kinds before a run. It reads a file again once it has
    changed.

    Args:
        home: folder of the online store.
        dataset: name of the dataset.
    """
    path = note_path(home, dataset)
    held: dict[int, Kinds] = {0: DEFAULT_KINDS}

    def read() -> Kinds:
        try:
            changed = path.stat().st_mtime_ns
        except FileNotFoundError:
            return DEFAULT_KINDS
        if changed not in held:
            note: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            held.clear()
            held[changed] = read_kinds(note["kinds"], str(path)) if "kinds" in note else DEFAULT_KINDS
        return held[changed]

    return read
