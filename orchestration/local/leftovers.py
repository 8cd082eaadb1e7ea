"""Files and folders that killed processes left behind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from orchestration.local.services import is_locked
from serving.settings import Settings

PARTIAL, SCRATCH = ".partial", "tmp????????"
"""Suffix of what is not complete yet, and the name of `tempfile`'s folders."""
REMOVABLE = timedelta(hours=1)
"""Age from which on nobody can be at work on something that is not complete."""
PLACES = ("data", "values", "data_docs", "feast", "experiments", "items", "events")
"""Folders of a home in which Gatehouse writes files that get their name when they are whole."""


def leftovers(settings: Settings) -> Iterator[Path]:
    """Find what is not complete and nobody is at work on."""
    yield from (path for path in settings.home.glob(SCRATCH) if path.is_dir())
    found = [
        *settings.home.glob(f"*{PARTIAL}"),
        *(path for place in PLACES for path in (settings.home / place).rglob(f"*{PARTIAL}")),
    ]
    for path in sorted(found):
        if not is_locked(path.with_name(f"{path.name.removesuffix(PARTIAL)}.lock")):
            yield path


def forgotten(settings: Settings, now: datetime) -> tuple[Path, ...]:
    """Leftovers that are old enough to be removed.

    Args:
        settings: the home.
        now: present time (UTC, with zone).
    """
    before = (now - REMOVABLE).timestamp()
    return tuple(path for path in leftovers(settings) if path.lstat().st_mtime < before)


def is_at_work(settings: Settings, dataset: str) -> bool:
    """Whether a run is building something of a dataset now."""
    return any(is_locked(lock) for lock in (settings.home / "data" / dataset).rglob("*.lock"))
