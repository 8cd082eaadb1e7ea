"""Canonical tables of a run: those of its files, and what the event log adds to them."""

from __future__ import annotations

from pathlib import Path

from feature_repo.datasets import Tables, load
from feature_repo.datasets.clock import TOLERANCE
from feature_repo.events.frames import read_frame
from feature_repo.events.history import with_log
from feature_repo.events.sqlite_log import SqliteEventLog
from orchestration.workspace import Workspace


def run_tables(workspace: Workspace) -> Tables:
    """Read the tables of a run.

    Raises:
        InputError: input that cannot be used.
        EventLogError: an event log that cannot be read.
    """
    data = Path(workspace.data) if workspace.data else None
    tables = load(workspace.dataset, data=data, as_of=workspace.moment, now=workspace.clock)
    path = workspace.settings.event_log(tables.schema.dataset)
    if not path.is_file():
        return tables
    # After the files, so that the log has every event that came by both.
    log = SqliteEventLog(path)
    return with_log(tables, read_frame(log), workspace.moment or workspace.clock + TOLERANCE)
