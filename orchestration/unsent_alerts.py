"""Alerts that a channel has not taken: a file of the home each, until the channel takes it or a day is over."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

from feature_repo.utc import present_time
from feature_repo.whole_file import write_text
from serving.settings import Settings

FOLDER = "unsent_alerts"
KEPT = timedelta(days=1)
"""Time for which it is tried again."""
MOST = 100
"""Most of them: a channel that is away for long gets the first ones, which tell how it began."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unsent:
    """An alert, and the channels that are still to take it."""

    subject: str
    text: str
    channels: tuple[str, ...]


def keep(settings: Settings, unsent: Unsent) -> None:
    """Keep an alert for later. Where it cannot be written it is logged, and fails no work."""
    folder = settings.home / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if len(list(folder.glob("*.json"))) >= MOST:
            _log.error("%s: not kept for later, %d wait already", unsent.subject, MOST)
            return
        write_text(folder / f"{present_time():%Y%m%dT%H%M%S%f}-{uuid4().hex[:8]}.json", json.dumps(asdict(unsent)))
    except OSError as error:
        _log.error("%s: not kept for later: %s", unsent.subject, error)


def waiting(settings: Settings, now: datetime) -> Iterator[tuple[Path, Unsent]]:
    """Find what waits, the oldest first, without what is too old, which goes.

    Args:
        settings: the home.
        now: the present time, naive UTC.
    """
    for path in sorted((settings.home / FOLDER).glob("*.json")):
        raw = json.loads(path.read_text())
        if datetime.strptime(path.name.partition("-")[0], "%Y%m%dT%H%M%S%f") < now - KEPT:
            _log.error("%s: given up, no channel took it within a day", raw["subject"])
            path.unlink(missing_ok=True)
        else:
            yield path, Unsent(raw["subject"], raw["text"], tuple(raw["channels"]))


def note_taken(path: Path, unsent: Unsent, taken: Sequence[str]) -> bool:
    """Note which channels have taken an alert since; whether all have.

    Args:
        path: its file.
        unsent: the alert.
        taken: the channels.
    """
    left = tuple(each for each in unsent.channels if each not in taken)
    if left:
        write_text(path, json.dumps(asdict(unsent) | {"channels": left}))
    else:
        path.unlink(missing_ok=True)
    return not left
