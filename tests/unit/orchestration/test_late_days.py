"""Late events re-open the days that knew of them, each once; nothing else does."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from orchestration.day_notes import DIGESTS
from orchestration.definitions import defs
from orchestration.local.datasets import remember
from orchestration.workspace import Workspace
from serving.settings import Settings
from tests.unit.orchestration.late_world import DAYS, START, compute_day, events, write_run

OPTIONS: dict[str, Any] = {"dataset": "own", "data": "/srv/shop"}


class Home:
    """A home with computed days, the data of the newest run, and the sensor."""

    def __init__(self, root: Path, instance: dg.DagsterInstance) -> None:
        self.instance, self.runs = instance, 0
        self.cursor: str | None = None
        settings = Settings(home=root / "home", mlflow_uri="")
        settings.create_home()
        remember(settings, "shop", OPTIONS)
        self.values, self.past = (Workspace(**OPTIONS, past=past).values_folder for past in (False, True))

    def run(self, frame: pl.DataFrame, days: float = DAYS) -> None:
        """A run has read these data, later than all days that were computed."""
        self.runs += 1
        path = write_run(self.values, self.past, frame, START + timedelta(days=days))
        os.utime(path, (self.runs * 100, self.runs * 100))

    def compute(self, frame: pl.DataFrame, *days: int) -> None:
        """Days are computed from these data, after the newest run."""
        for number in days:
            note = compute_day(self.past, frame, number)
            os.utime(note, (self.runs * 100 + 50, self.runs * 100 + 50))

    def look(self) -> list[dg.RunRequest]:
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor, definitions=defs)
        tick = defs.resolve_sensor_def("late_days").evaluate_tick(context)
        self.cursor, self.said = tick.cursor, str(tick.skip_message)
        return list(tick.run_requests or ())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path / "home"))
    with dg.DagsterInstance.ephemeral() as instance:
        home = Home(tmp_path, instance)
        home.run(events())
        home.compute(events(), 3, 5, 8)
        yield home


def days_of(asked: list[dg.RunRequest]) -> list[str]:
    return [str(each.partition_key) for each in asked]


def test_a_late_event_reopens_the_days_that_knew_of_it_alone(home: Home) -> None:
    home.run(events((1, 5)))
    asked = home.look()
    assert days_of(asked) == ["2024-01-06", "2024-01-09"]
    config = asked[0].run_config["resources"]["workspace"]["config"]
    assert config == {**OPTIONS, "past": True, "as_of": "2024-01-07T00:00:00", "accept_data": True}


def test_each_day_is_asked_for_once_by_each_run_until_it_is_computed(home: Home) -> None:
    home.run(events((1, 8)))
    (first,) = home.look()
    assert home.look() == []
    home.cursor = None  # as in a new home of Dagster; Dagster launches a key once
    assert [each.run_key for each in home.look()] == [first.run_key]
    home.run(events((1, 8)))  # the day has failed: each newer run asks again
    assert [each.run_key for each in home.look()] not in ([], [first.run_key])
    home.compute(events((1, 8), (2, 8)), 8)
    home.run(events((1, 8), (2, 8)))
    assert home.look() == [] and home.said == "shop: no event came late"


def test_new_days_reopen_none(home: Home) -> None:
    more = pl.concat([events(), events().with_columns(pl.exclude("user_id").dt.offset_by("10d"))])
    home.run(more, days=2 * DAYS)
    assert home.look() == []


def test_a_day_that_was_computed_since_waits_for_the_next_run(home: Home) -> None:
    """It has read a file that the newest run has not."""
    late = events((1, 8))
    home.run(events())
    home.compute(late, 8)
    assert home.look() == []
    home.run(late)
    assert home.look() == []


def test_a_day_that_the_newest_data_end_in_is_not_over(home: Home) -> None:
    home.run(events(), days=8.02)
    assert home.look() == []


def test_days_that_nobody_computed_are_not_asked_for(home: Home) -> None:
    for path in (home.past / "days").iterdir():
        path.unlink()
    home.run(events((1, 5)))
    assert home.look() == []
    assert home.said == "shop: no event came late"


def test_a_note_that_cannot_be_read_stops_no_look_and_is_looked_at_again(home: Home) -> None:
    home.run(events((1, 8)))
    note = home.values / DIGESTS
    whole = note.read_bytes()
    note.write_bytes(whole[:-1])
    assert home.look() == [] and "shop: JSONDecodeError" in home.said
    note.write_bytes(whole)
    assert days_of(home.look()) == ["2024-01-09"]


def test_a_cursor_of_a_former_release_asks_anew(home: Home) -> None:
    home.run(events((1, 8)))
    home.cursor = json.dumps({"shop": f"/srv/tables {(home.values / DIGESTS).stat().st_mtime_ns}"})
    assert days_of(home.look()) == ["2024-01-09"]


def test_two_days_are_at_work_at_once_behind_releases(home: Home) -> None:
    home.compute(events(), 4, 6, 7)
    home.run(events((1, 3)))
    first = home.look()
    assert days_of(first) == ["2024-01-04", "2024-01-05"]
    assert {each.tags["dagster/priority"] for each in first} == {"-10"}
    runs = [dg.DagsterRun(job_name="training_days", status=dg.DagsterRunStatus.STARTED) for _ in first]
    for run in runs:
        home.instance.add_run(run)
    assert home.look() == [] and home.said == "shop: 4 days wait for those at work"
    home.instance.delete_run(runs[0].run_id)
    assert days_of(home.look()) == ["2024-01-06"]
    home.instance.delete_run(runs[1].run_id)
    assert [days_of(home.look()) for _ in range(2)] == [["2024-01-07", "2024-01-08"], ["2024-01-09"]]
