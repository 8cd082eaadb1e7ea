"""What each schedule asks for at a tick, and why it asks for nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from feature_repo.events.event import Event, EventKind
from feature_repo.events.sqlite_log import SqliteEventLog
from orchestration.definitions import defs
from orchestration.defs import schedules
from orchestration.local.datasets import remember
from serving.settings import Settings

OPTIONS = {"dataset": "own", "recipe": "base", "seed": 3, "baselines": "plain", "refit": True}


@dataclass
class World:
    """A home that has run a shop with a folder, and a dataset that Gatehouse ships."""

    settings: Settings
    folder: Path
    instance: dg.DagsterInstance

    def tick(self, name: str, minute: int = 0) -> Any:
        moment = datetime(2024, 1, 1, 3, minute)
        context = dg.build_schedule_context(instance=self.instance, scheduled_execution_time=moment)
        return defs.resolve_schedule_def(name).evaluate_tick(context)

    def land(self, name: str, text: str, rested: float = 3600) -> None:
        """A file of the shop that nobody has written to for some seconds."""
        (self.folder / name).write_text(text)
        now = time.time()
        os.utime(self.folder / name, (now - rested, now - rested))

    def ran(self, request: Any, status: dg.DagsterRunStatus) -> None:
        """A run as a tick asked for it."""
        run = dg.DagsterRun(job_name="update_job", tags=dict(request.tags), status=status)
        self.instance.add_run(run)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    settings = Settings(home=tmp_path / "home", mlflow_uri="")
    settings.create_home()
    monkeypatch.setenv("GATEHOUSE_HOME", str(settings.home))
    monkeypatch.setattr(schedules, "open_registry", lambda *_: SimpleNamespace(champion=lambda: 1))
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.setattr(schedules, "BETWEEN_LOOKS", 0.0)
    remember(settings, "shop", {**OPTIONS, "data": str(folder)})
    with dg.instance_for_test() as instance:
        world = World(settings, folder, instance)
        world.land("events.csv", "user_id,item_id,timestamp\n")
        yield world


def config(request: Any) -> dict[str, Any]:
    found: dict[str, Any] = request.run_config["resources"]["workspace"]["config"]
    return found


def test_a_night_repeats_the_last_run_of_each_dataset(world: World) -> None:
    remember(world.settings, "tiny", {"dataset": "tiny"})
    asked = world.tick("nightly").run_requests
    assert {each.tags["gatehouse/dataset"]: config(each) for each in asked} == {
        "shop": {**OPTIONS, "data": str(world.folder)},
        "tiny": {"dataset": "tiny"},
    }


def test_a_week_trains_anew_beside_all_baselines(world: World) -> None:
    (request,) = world.tick("weekly").run_requests
    assert config(request) == {**OPTIONS, "data": str(world.folder), "retrain": True, "baselines": "all"}


def test_an_update_is_asked_for_where_files_have_changed_since_the_last_one(world: World) -> None:
    (request,) = world.tick("half_hourly").run_requests
    assert config(request) == {**OPTIONS, "data": str(world.folder)}
    world.ran(request, dg.DagsterRunStatus.SUCCESS)
    tick = world.tick("half_hourly", 30)
    assert not tick.run_requests
    assert tick.skip_message == f"shop: no file in {world.folder} has changed since the last update"
    for mark in ("_SUCCESS", ".events.csv.x7"):  # the second of an rsync at work
        world.land(mark, "")
    assert not world.tick("half_hourly", 30).run_requests
    world.land("events.csv", "user_id,item_id,timestamp\nu,i,2024-01-01\n")
    assert len(world.tick("half_hourly", 30).run_requests) == 1


def test_content_that_came_back_is_updated_to_again(world: World) -> None:
    """The champion has learned what was there between: the same size and time is no reason to stay with that."""
    texts = ("user_id,item_id,timestamp\n", "user_id,item_id,timestamp\nu,i,2024-01-01\n")
    for text in (*texts, texts[0]):
        (world.folder / "events.csv").write_text(text)
        os.utime(world.folder / "events.csv", (1.7e9, 1.7e9))
        (request,) = world.tick("half_hourly").run_requests
        world.ran(request, dg.DagsterRunStatus.SUCCESS)
        assert not world.tick("half_hourly").run_requests


def test_no_update_while_a_file_is_being_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.land("events_2.csv", "u,i", rested=5)
    assert world.tick("half_hourly").skip_message == "shop: files are being written"
    world.land("events_2.csv", "u,i", rested=61)
    assert len(world.tick("half_hourly").run_requests) == 1
    # With the time of its origin, as `cp -p` sets it, it is seen to grow.
    monkeypatch.setattr(time, "sleep", lambda _: world.land("events_2.csv", "u,i,2024-01-01"))
    assert world.tick("half_hourly").skip_message == "shop: files are being written"


def test_no_update_from_a_folder_that_is_away(world: World) -> None:
    world.folder.rename(world.folder.with_name("away"))
    assert world.tick("half_hourly").skip_message == f"shop: no file in {world.folder}"


def test_an_update_that_failed_is_asked_for_again(world: World) -> None:
    (request,) = world.tick("half_hourly").run_requests
    world.ran(request, dg.DagsterRunStatus.FAILURE)
    assert len(world.tick("half_hourly", 30).run_requests) == 1


@pytest.mark.parametrize("job", ["release_job", "update_job"])
def test_no_update_while_a_run_of_the_dataset_is_at_work(world: World, job: str) -> None:
    tags = {"gatehouse/dataset": "shop"}
    world.instance.add_run(dg.DagsterRun(job_name=job, tags=tags, status=dg.DagsterRunStatus.STARTED))
    assert world.tick("half_hourly").skip_message == "shop: a run is at work"


def test_no_update_without_a_champion(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "open_registry", lambda *_: SimpleNamespace(champion=lambda: None))
    assert world.tick("half_hourly").skip_message == "shop: no champion yet, which an update would start from"


def test_one_dataset_is_updated_while_another_one_has_nothing_new(world: World) -> None:
    remember(world.settings, "tiny", {"dataset": "tiny"})
    tick = world.tick("half_hourly")
    assert [each.tags["gatehouse/dataset"] for each in tick.run_requests] == ["shop"]
    (world.settings.home / "datasets.json").write_text(json.dumps({"tiny": {"dataset": "tiny"}}))
    told = "tiny: its data ships with Gatehouse and never changes, and no event was posted"
    assert world.tick("half_hourly").skip_message == told


@pytest.mark.parametrize("options", [OPTIONS | {"data": "files"}, {"dataset": "tiny"}])
def test_an_update_is_asked_for_where_events_were_posted_since_the_last_one(
    world: World, options: dict[str, Any]
) -> None:
    """Whether the dataset has a folder or ships with Gatehouse."""
    (world.settings.home / "datasets.json").unlink()
    remember(world.settings, "shop", options | ({"data": str(world.folder)} if "data" in options else {}))
    with closing(SqliteEventLog(world.settings.event_log("shop"))) as log:
        assert bool(world.tick("half_hourly").run_requests) == ("data" in options)  # of the files alone
        log.append([event(1)])
        (request,) = world.tick("half_hourly").run_requests
        world.ran(request, dg.DagsterRunStatus.SUCCESS)
        tick = world.tick("half_hourly", 30)
        assert not tick.run_requests
        assert tick.skip_message.endswith("no event was posted since the last update")
        log.append([event(1)])  # again, which the log has
        assert not world.tick("half_hourly", 30).run_requests
        log.append([event(2)])
        assert len(world.tick("half_hourly", 30).run_requests) == 1


def event(number: int) -> Event:
    time = datetime(2024, 1, 1)
    return Event(event_id=f"e{number}", kind=EventKind.CLICK, user_id="u", item_id="i", time=time, arrived=time)


def test_a_dataset_whose_registry_cannot_be_read_stops_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(world.settings, "broken", {**OPTIONS, "data": str(world.folder)})

    def open_registry(_: Settings, dataset: str) -> SimpleNamespace:
        if dataset == "broken":
            raise RuntimeError("the database is locked")
        return SimpleNamespace(champion=lambda: 1)

    monkeypatch.setattr(schedules, "open_registry", open_registry)
    assert [each.tags["gatehouse/dataset"] for each in world.tick("half_hourly").run_requests] == ["shop"]
    (world.settings.home / "datasets.json").unlink()
    remember(world.settings, "broken", {**OPTIONS, "data": str(world.folder)})
    assert world.tick("half_hourly").skip_message == "broken: RuntimeError: the database is locked"


@pytest.mark.parametrize("name", ["nightly", "weekly", "half_hourly"])
def test_a_home_without_a_run_asks_for_nothing(world: World, name: str) -> None:
    (world.settings.home / "datasets.json").unlink()
    tick = world.tick(name)
    assert not tick.run_requests
    assert "nothing was run in this home yet" in tick.skip_message


def test_one_switch_turns_all_on() -> None:
    code = (
        "from orchestration.definitions import defs\n"
        "names = ('nightly', 'weekly', 'half_hourly')\n"
        "print(*(defs.resolve_schedule_def(name).default_status.value for name in names))"
    )
    environ = {"GATEHOUSE_SCHEDULES": "on", "PATH": "", "PYTHONPATH": str(Path(__file__).parents[3])}
    found = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["RUNNING"] * 3
