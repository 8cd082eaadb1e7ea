"""Tables of a run: the files, and the event log of the home."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from feature_repo.datasets import tiny
from feature_repo.events.event import Event, EventKind
from feature_repo.events.sqlite_log import SqliteEventLog
from feature_repo.items.store import ItemStore
from orchestration.run_tables import run_tables
from orchestration.workspace import Workspace
from tests.unit.feature_repo.items.items_world import item

FILES = tiny.generate(seed=0)
NEWEST = FILES.events["created"].max()


def test_a_run_reads_the_log_of_its_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    workspace = Workspace(dataset="tiny", now=NEWEST.isoformat())
    assert run_tables(workspace).events.equals(FILES.events)
    log = SqliteEventLog(workspace.settings.event_log("tiny"))
    for number in (1, 2, 3):
        at = NEWEST + timedelta(hours=12 * number)
        ids = {"event_id": str(number), "user_id": "u1", "item_id": "i1"}
        log.append([Event(kind=EventKind.CLICK, time=at, arrived=at, **ids)])
    found = run_tables(workspace)  # the third is more than a day ahead of the clock
    assert (found.events.height, found.log_until) == (FILES.events.height + 2, 2)
    before = Workspace(dataset="tiny", now=NEWEST.isoformat(), as_of=(NEWEST + timedelta(hours=13)).isoformat())
    assert (run_tables(before).events.height, run_tables(before).log_until) == (FILES.events.height + 1, 1)


def test_a_run_takes_new_items_in_with_their_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    workspace = Workspace(dataset="tiny", now=NEWEST.isoformat())
    at = NEWEST + timedelta(hours=1)
    ItemStore(workspace.settings.item_store("tiny")).put([item("n1"), item("i1", title="other")], at)
    log = SqliteEventLog(workspace.settings.event_log("tiny"))
    log.append([Event(kind=EventKind.CLICK, time=at, arrived=at, event_id="e", user_id="u1", item_id="n1")])
    found = run_tables(workspace)
    assert found.items.filter(found.items["item_id"] == "n1").rows(named=True) == [{"item_id": "n1", **item().fields}]
    assert found.items.filter(found.items["item_id"] != "n1").equals(FILES.items)
    assert found.events.filter(found.events["item_id"] == "n1")["user_id"].to_list() == ["u1"]
    before = Workspace(dataset="tiny", now=NEWEST.isoformat(), as_of=NEWEST.isoformat())
    assert run_tables(before).items.equals(FILES.items)
