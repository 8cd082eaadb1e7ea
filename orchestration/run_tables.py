"""Canonical tables of a run: its files, and what the item store and the event log add."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from feature_repo.datasets import Tables, load
from feature_repo.datasets.clock import TOLERANCE
from feature_repo.datasets.stored import read_tables
from feature_repo.events.frames import read_frame
from feature_repo.events.history import with_log
from feature_repo.items.history import with_new_items
from feature_repo.items.store import ItemStore
from feature_repo.tables.known import known_at
from orchestration.field_slices import check_fields
from orchestration.workspace import Workspace


def run_tables(workspace: Workspace) -> Tables:
    """Read the tables of a run.

    Raises:
        InputError: input that cannot be used.
        EventLogError: an event log that cannot be read.
        ItemStoreError: an item store that cannot be read.
        InputError: the gate's policy slices by a field that the data does not have.
    """
    if workspace.past and workspace.moment:
        whole = read_tables(Path(workspace.history)) if workspace.history else _tables(workspace, None)
        return known_at(whole, workspace.moment)
    return _tables(workspace, workspace.moment)


def _tables(workspace: Workspace, moment: datetime | None) -> Tables:
    """Read everything, or what there is up to a moment, after which an event of the files is an error."""
    data = Path(workspace.data) if workspace.data else None
    tables = load(workspace.dataset, data=data, as_of=moment, now=workspace.clock)
    check_fields(workspace.slice_fields, tables.schema)
    settings, dataset = workspace.settings, tables.schema.dataset
    until, items = moment or workspace.clock + TOLERANCE, settings.item_store(dataset)
    # After the files, so that both have everything that came twice; and the log last,
    # whose events may be of new items.
    if items.is_file():
        tables = with_new_items(tables, ItemStore(items).read(), until)
    if settings.has_event_log(dataset):
        tables = with_log(tables, read_frame(settings.open_event_log(dataset)), until)
    return tables
