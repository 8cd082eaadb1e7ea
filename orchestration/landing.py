"""New data of a dataset: whether its folder changed and is complete, and how far its event log is sealed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from feature_repo.events.log import EventLog
from feature_repo.whole_file import write_text

TAKEN = "taken.json"
"""File beside the asset values that says what the newest release has read."""
QUIET_SECONDS = 60.0
"""Time for which a folder must not have changed to be complete."""
BETWEEN_LOOKS = 2.0
"""Seconds between two looks at a folder, from one to the other of which nothing may change."""
LATE = timedelta(minutes=1)
"""Longest time by which the event log may be behind the clock, see `EventLog.keep`."""


@dataclass(frozen=True, kw_only=True)
class Landed:
    """Content of a folder, by names, sizes and times of its files."""

    files: Mapping[str, tuple[int, int]]
    """Size of each file, and time of its newest change in nanoseconds, by name."""

    @classmethod
    def of(cls, folder: Path | None) -> Landed:
        """List a folder, as its tables are read: also behind links, without hidden files and marks such as `_SUCCESS`.

        Raises:
            OSError: the folder cannot be read.
        """
        found = _files_in(folder, "", frozenset()) if folder and folder.is_dir() else ()
        return cls(files={name: (stat.st_size, stat.st_mtime_ns) for name, stat in found})

    @property
    def digest(self) -> str | None:
        """Hash of the listing; None for a folder that is away or empty."""
        lines = [f"{name} {size} {time}" for name, (size, time) in self.files.items()]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else None

    @property
    def newest(self) -> float:
        """Time of the newest change, as a UNIX time."""
        return max((time for _, time in self.files.values()), default=0) / 1e9

    def last_written(self, former: Landed) -> str:
        """Name the newest of the files that are other ones than at a former look, or of all where none is."""
        changed = [name for name, file in self.files.items() if former.files.get(name) != file]
        return max(changed or self.files, key=lambda name: self.files[name][1])

    def is_complete(self, former: str | None, now: float) -> bool:
        """Whether nobody is writing into the folder.

        Args:
            former: digest at the former look; a file may grow under a time that a copy has set.
            now: present time, as a UNIX time.
        """
        # A time of the future is that of another clock, and says nothing.
        return self.digest == former and not 0 <= now - self.newest < QUIET_SECONDS


def _files_in(folder: Path, above: str, entered: frozenset[tuple[int, int]]) -> Iterator[tuple[str, os.stat_result]]:
    """List the files of a folder in the order of their names; a link back to a folder above is not entered.

    Args:
        folder: the folder.
        above: beginning of the names of its files.
        entered: device and inode of the folders above.
    """
    here = folder.stat()
    if (here.st_dev, here.st_ino) in entered:
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        # Deleted since the folder was listed, or closed to this user, such as `lost+found`.
        with suppress(FileNotFoundError, PermissionError):
            stat = path.stat()
            if S_ISREG(stat.st_mode):
                yield f"{above}{path.name}", stat
            elif S_ISDIR(stat.st_mode):
                yield from _files_in(path, f"{above}{path.name}/", entered | {(here.st_dev, here.st_ino)})


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Data that the newest release run of a dataset has read."""

    files: str | None = None
    """Digest of its folder as the run began."""
    log: int = 0
    """Number of the last event of the event log."""
    at: str = ""
    """Time at which the run noted it, which no other run has; empty before the first."""


def note_taken(values: Path, taken: Taken) -> None:
    """Note what a run has read. values: folder of its asset values."""
    values.mkdir(parents=True, exist_ok=True)
    write_text(values / TAKEN, json.dumps(asdict(taken)))


def read_taken(values: Path) -> Taken:
    """Read what the newest run has read; nothing, if no run has noted it."""
    path = values / TAKEN
    return Taken(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else Taken()


def end_of_sealed_day(now: datetime) -> datetime:
    """Return the newest midnight before which no event can arrive any more."""
    return (now - LATE).replace(hour=0, minute=0, second=0, microsecond=0)


def sealed_until(log: EventLog, moment: datetime) -> int:
    """Number of the last event that arrived before a moment; 0 for none.

    Arrivals ascend with the numbers, so a bisection reads a few events of millions.
    """
    last, end = 0, log.newest()
    while last < end:
        middle = (last + end) // 2
        found = log.read(middle, 1)
        if found and found[0].event.arrived < moment:
            last = found[0].sequence
        else:
            end = middle
    return last
