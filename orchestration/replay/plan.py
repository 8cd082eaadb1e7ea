"""Plan of a replay: its days, its options, and the folder that it resumes in."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from feature_repo.errors import InputError
from feature_repo.whole_file import write_text

FILE = "replay.json"
_UNITS = {"d": 1, "w": 7}


def whole_days(option: str, text: str) -> int:
    """Read a number of days, such as 1d or 2w.

    Args:
        option: its name, for messages.
        text: the number with its unit.

    Raises:
        InputError: it is none.
    """
    match = re.fullmatch(r"([1-9]\d{0,3})([dw])", text)
    if match is None:
        raise InputError(f"{option} is {text!r}: wanted a number of days or weeks, such as 1d or 2w")
    return int(match[1]) * _UNITS[match[2]]


def check_name(name: str) -> str:
    """Return the name of a replay, if a folder can have it.

    Raises:
        InputError: it cannot.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise InputError(f"--name is {name!r}: wanted letters, digits, - and _, at most 64")
    return name


@dataclass(frozen=True, kw_only=True)
class ReplayPlan:
    """Days and options of a replay."""

    start: datetime
    """First day, at midnight."""
    end: datetime
    """Day on which the last interval ends."""
    every: int
    """Days between two nights, and of each interval that is measured."""
    full: int
    """Days between two trainings in full."""
    workspace: dict[str, Any]
    """Fields of `Workspace`, without those of time."""
    code: str
    """Hash of the code that trains."""
    data: str | None = None
    """Folder of the files that the history was read from; None for a dataset that is named alone."""
    policy: str = ""
    """Hash of the gate's policy."""
    variables: dict[str, str] = field(default_factory=dict)
    """Other variables of the environment that decide what a night does."""

    def __post_init__(self) -> None:
        for name, moment in (("--from", self.start), ("--to", self.end)):
            if moment != moment.replace(hour=0, minute=0, second=0, microsecond=0):
                raise InputError(f"{name} is {moment}: wanted a day, such as {moment:%Y-%m-%d}")
        if self.full % self.every:
            raise InputError(f"--full is {self.full} days, and --every {self.every}: wanted a multiple of it")
        if not self.nights:
            span = f"--from {self.start:%Y-%m-%d} --to {self.end:%Y-%m-%d}"
            raise InputError(f"{span} has no interval of {self.every} days; wanted a later --to")

    @property
    def nights(self) -> list[datetime]:
        """Moment of each night; the interval behind the last one ends by `end`."""
        number = (self.end - self.start) // timedelta(days=self.every)
        return [self.start + timedelta(days=self.every * each) for each in range(number)]

    def is_full(self, night: datetime) -> bool:
        """Whether the schedule asks for a training in full on a night."""
        return (night - self.start).days % self.full == 0


def keep_plan(plan: ReplayPlan, folder: Path) -> None:
    """Note the plan in its folder, or check that it is the one that is resumed there.

    Raises:
        InputError: another replay is in the folder.
    """
    noted = json.loads(json.dumps(asdict(plan), default=str))
    path = folder / FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(noted, indent=1))
        return
    former = json.loads(path.read_text(encoding="utf-8"))
    # A longer one goes on where the shorter one has ended. A plan of before lacks what was not noted then.
    if different := [name for name in former if name != "end" and noted.get(name) != former[name]]:
        told = "; ".join(f"{name}: {former[name]}, now {noted.get(name)}" for name in different)
        raise InputError(f"{folder} holds another replay ({told}): give this one another --name")
