"""Base of a consumer: the data of the run whose features were loaded last."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from feature_repo.datasets.canonical import Tables
from feature_repo.datasets.stored import read_tables
from feature_repo.errors import InputError
from feature_repo.event_kinds import DEFAULT_KINDS, Kinds
from feature_repo.events.base_note import note_path
from feature_repo.whole_file import write_text


@dataclass(frozen=True, kw_only=True)
class Base:
    """Data of a run, from which a consumer goes on."""

    key: str
    """Hash of the tables. Each base has an offset of its own in the log."""
    tables: Tables
    """Canonical tables, with the log up to `log_until`."""
    as_of: datetime
    """Time for which the online features were loaded from them."""
    folder: Path
    """Folder of the tables."""


def write_base(
    home: Path, dataset: str, *, key: str, folder: Path, as_of: datetime, kinds: Kinds = DEFAULT_KINDS
) -> None:
    """Note the data that online features were loaded from.

    Args:
        home: folder of the online store.
        dataset: name of the dataset.
        key: hash of the tables.
        folder: folder of the tables.
        as_of: time of the load.
        kinds: kinds of events of the dataset.
    """
    path = note_path(home, dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    note = {"key": key, "folder": str(folder), "as_of": as_of.isoformat(), "kinds": dict(kinds)}
    write_text(path, json.dumps(note))


def read_base(home: Path, dataset: str) -> Base:
    """Read the data that online features were loaded from.

    Args:
        home: folder of the online store.
        dataset: name of the dataset.

    Raises:
        InputError: no run has loaded any, or its data was deleted.
    """
    path = note_path(home, dataset)
    if not path.is_file():
        raise InputError(f"{path}: no such file: no run has loaded online features of {dataset} (`gatehouse run`)")
    note = json.loads(path.read_text(encoding="utf-8"))
    folder = Path(note["folder"])
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, and {path} names it; load the features again (`gatehouse run`)")
    as_of = datetime.fromisoformat(note["as_of"])
    return Base(key=note["key"], tables=read_tables(folder), as_of=as_of, folder=folder)
