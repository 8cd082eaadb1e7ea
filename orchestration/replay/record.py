"""Records of the nights of a replay, each written when it is over."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from feature_repo.whole_file import write_text

FULL, UPDATE = "full", "update"


@dataclass(frozen=True, kw_only=True)
class Night:
    """A night: what was trained, what it gave, and what it cost."""

    moment: datetime
    kind: str
    """Kind of its training, `full` or `update`."""
    version: int | None = None
    """The judged version; None where the run ended before."""
    outcome: str = "none"
    """Outcome of the gate; `none` without a version."""
    champion: int | None = None
    """What serves after it."""
    refitted: int | None = None
    """Version that the run has refitted to the newest events, where the dataset's policy asks for it."""
    note: str = ""
    """Reason why there is no version, if so."""
    seconds: float = 0.0
    """Seconds of the run."""
    refit_seconds: float = 0.0
    """Seconds of its refit among them; 0 in records of before they were measured."""
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    """Metrics on the next interval, by `v{version}` and baseline; empty where nobody was active."""
    users: int = 0
    """Users who were active in it."""

    def measured(self, served: int | None) -> dict[str, float]:
        """Metrics of the version that a strategy serves; empty without one."""
        return self.metrics.get(f"v{served}", {})


class Records:
    """Nights of one replay as files, one for each.

    Args:
        folder: folder of the replay.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "nights"
        self._folder.mkdir(parents=True, exist_ok=True)

    def write(self, night: Night) -> None:
        """Keep a night that is over."""
        write_text(self._path(night.moment), json.dumps(asdict(night), default=str, indent=1))

    def read(self, moment: datetime) -> Night | None:
        """Read a night; None if it is not over."""
        path = self._path(moment)
        if not path.exists():
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
        return Night(**{**found, "moment": datetime.fromisoformat(found["moment"])})

    def begin(self, moment: datetime, kind: str, parent: int | None) -> tuple[str, int | None]:
        """Note what a night is about to do, or return what it began before it was interrupted.

        The run itself moves the champion: begun again, it must not update its own version.

        Args:
            moment: the night.
            kind: kind of its training.
            parent: the champion before it.
        """
        path = self._path(moment).with_suffix(".begun.json")
        if not path.exists():
            write_text(path, json.dumps([kind, parent]))
        kind, parent = json.loads(path.read_text(encoding="utf-8"))
        return kind, parent

    def _path(self, moment: datetime) -> Path:
        return self._folder / f"{moment:%Y-%m-%d}.json"


def last_passed(nights: Sequence[Night], kind: str) -> int | None:
    """Newest version of a kind that the gate has passed; None before the first."""
    return next((each.version for each in reversed(nights) if each.kind == kind and each.outcome == "passed"), None)
