"""Waiting for a folder that is being written to, before a run that nobody started by hand reads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from feature_repo.datasets import Tables
from feature_repo.errors import InputError
from orchestration.landing import BETWEEN_LOOKS, QUIET_SECONDS, Landed

PATIENCE = timedelta(hours=1)
"""Longest time that a run waits; sensors and updates of its dataset wait with it."""
READINGS = 3
"""Most readings of files that are changed while they are read."""
BY_ITSELF = frozenset(("dagster/schedule_name", "dagster/sensor_name"))
"""Tags that Dagster gives to the runs of schedules and sensors."""


def runs_by_itself(tags: Mapping[str, str]) -> bool:
    """Whether a schedule or sensor asked for a run, by its tags; whoever starts one by hand knows the files."""
    return not BY_ITSELF.isdisjoint(tags)


def read_settled(folder: Path | None, read: Callable[[], Tables], say: Callable[[str], None]) -> tuple[Landed, Tables]:
    """Read a folder into which nobody writes, neither before nor meanwhile.

    Args:
        folder: the folder; None for a dataset without one.
        read: reads its tables.
        say: told what is waited for.

    Returns:
        Content of the folder, and its tables.

    Raises:
        InputError: as of `settled`, or files were changed during each of READINGS.
        OSError: the folder cannot be read.
    """
    for _ in range(READINGS):
        landed, tables = settled(folder, say), read()
        if Landed.of(folder) == landed:
            return landed, tables
        say(f"{folder} was changed while it was read: it is read again")
    raise InputError(
        f"{folder} was changed each of {READINGS} times while it was read; wanted a folder in which nothing changes. "
        "The next tick tries again, `gatehouse run` takes it as it is"
    )


def settled(folder: Path | None, say: Callable[[str], None]) -> Landed:
    """Return the content of a folder once nobody writes into it.

    Args:
        folder: the folder; None for a dataset without one.
        say: told once which file is waited for.

    Raises:
        InputError: a file was still being written when PATIENCE was over.
        OSError: the folder cannot be read.
    """
    former, end, waits = Landed.of(folder), time.monotonic() + PATIENCE.total_seconds(), False
    while former.files:  # reading a folder that is away says so
        time.sleep(BETWEEN_LOOKS)
        landed = Landed.of(folder)
        if not landed.files or landed.is_complete(former.digest, time.time()):
            return landed
        file = landed.last_written(former)
        if time.monotonic() > end:
            raise InputError(_still_written(folder, file))
        if not waits:
            say(f"{file} is being written: the run waits for its end, {_minutes()} at most")
        former, waits = landed, True
    return former


def _still_written(folder: Path | None, file: str) -> str:
    return (
        f"{folder}: {file} is still being written after {_minutes()}; wanted a folder in which nothing has changed for "
        f"{QUIET_SECONDS:.0f} seconds. Nothing was read: the next tick takes the folder when it is complete, "
        "`gatehouse run` takes it as it is"
    )


def _minutes() -> str:
    return f"{PATIENCE.total_seconds() / 60:.0f} minutes"
