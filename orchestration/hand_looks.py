"""Looks at champions moved by hand that ended without mending, noted in the home.

Such a look verifies every version that served, under the lock that promotions wait for. Dagster may end it before the
sensor's cursor is kept, so the note is written before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from feature_repo.whole_file import write_text
from serving.settings import Settings

AGAIN = timedelta(hours=1)
"""Time after which the same state is looked at again: someone may have repaired a version's files."""


def is_due(settings: Settings, dataset: str, state: str, now: datetime) -> bool:
    """Whether a champion is to be looked at: in a new state, or long after the last look.

    Args:
        settings: the home.
        dataset: name of the dataset.
        state: where the alias is, and the history.
        now: present time.
    """
    former, at = _read(settings).get(dataset, ("", ""))
    return former != state or not timedelta(0) <= now - datetime.fromisoformat(at) < AGAIN


@contextmanager
def noted(settings: Settings, dataset: str, state: str, now: datetime) -> Iterator[None]:
    """Note a look before it begins; one that raises did not come to an end, and is forgotten.

    Args:
        settings: the home.
        dataset: name of the dataset.
        state: where the alias is, and the history.
        now: present time.
    """
    _write(settings, {**_read(settings), dataset: (state, now.isoformat())})
    try:
        yield
    except Exception:
        forget(settings, dataset)
        raise


def forget(settings: Settings, dataset: str) -> None:
    """Forget the look at a champion that is where it belongs: the next move by hand may bring the same state."""
    looks = _read(settings)
    if looks.pop(dataset, None):
        _write(settings, looks)


def _read(settings: Settings) -> dict[str, tuple[str, str]]:
    path = _file(settings)
    found: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {dataset: (state, at) for dataset, (state, at) in found.items()}


def _write(settings: Settings, looks: Mapping[str, tuple[str, str]]) -> None:
    write_text(_file(settings), json.dumps(looks))


def _file(settings: Settings) -> Path:
    return settings.home / "hand_looks.json"
