"""Canonical tables of a run: its files, and what the item store and the event log add."""

from __future__ import annotations

from pathlib import Path

from feature_repo.datasets import Tables, load
from feature_repo.datasets.clock import TOLERANCE
from feature_repo.events.frames import read_frame
from feature_repo.events.history import with_log
from feature_repo.items.history import with_new_items
from feature_repo.items.store import ItemStore
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
    data = Path(workspace.data) if workspace.data else None
    tables = load(workspace.dataset, data=data, as_of=workspace.moment, now=workspace.clock)
    check_fields(workspace.slice_fields, tables.schema)
    settings, dataset = workspace.settings, tables.schema.dataset
    until, items = workspace.moment or workspace.clock + TOLERANCE, settings.item_store(dataset)
    # After the files, so that both have everything that came twice; and the log last,
    # whose events may be of new items.
    if items.is_file():
        tables = with_new_items(tables, ItemStore(items).read(), until)
    if settings.has_event_log(dataset):
        tables = with_log(tables, read_frame(settings.open_event_log(dataset)), until)
    return tables
