"""New data are asked for once, when they are complete."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from feature_repo.events.event import Event, EventKind
from feature_repo.events.sqlite_log import SqliteEventLog
from feature_repo.utc import present_time
from orchestration.definitions import defs
from orchestration.defs import new_data
from orchestration.landing import TAKEN, Landed, Taken, end_of_sealed_day, note_taken, read_taken, sealed_until
from orchestration.local.datasets import remember
from orchestration.workspace import Workspace
from serving.settings import Settings

LONG_AGO = 1_700_000_000


class Home:
    """A home that has run a dataset from a folder, and the sensors that look at it."""

    def __init__(self, root: Path, instance: dg.DagsterInstance) -> None:
        self.settings = Settings(home=root / "home", mlflow_uri="")
        self.settings.create_home()
        self.folder, self.instance = root / "files", instance
        self.folder.mkdir()
        self.cursors: dict[str, str | None] = {}
        self.options = {"dataset": "own", "data": str(self.folder)}
        remember(self.settings, "shop", self.options)

    def land(self, name: str, text: str = "a", time: float = LONG_AGO) -> None:
        (self.folder / name).write_text(text)
        os.utime(self.folder / name, (time, time))

    def run(self, log: int = 0) -> None:
        taken = Taken(files=Landed.of(self.folder).digest, log=log, at=present_time().isoformat())
        note_taken(Workspace(**self.options).values_folder, taken)

    def look(self, sensor: str) -> list[dg.RunRequest]:
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursors.get(sensor))
        tick = defs.resolve_sensor_def(sensor).evaluate_tick(context)
        self.cursors[sensor], self.said = tick.cursor, str(tick.skip_message)
        return list(tick.run_requests or ())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path / "home"))
    with dg.DagsterInstance.ephemeral() as instance:
        home = Home(tmp_path, instance)
        home.land("events.csv")
        home.run()
        yield home


def test_a_file_is_asked_for_once_it_has_rested(home: Home) -> None:
    home.look("new_files")
    home.land("events_2.csv")
    assert home.look("new_files") == []  # it was not there at the last look
    (asked,) = home.look("new_files")
    assert asked.run_config["resources"]["workspace"]["config"] == home.options
    assert asked.tags["gatehouse/dataset"] == "shop"


def test_a_file_that_grows_is_not_asked_for(home: Home) -> None:
    for size in range(1, 5):
        home.land("events_2.csv", "a" * size)  # with the time of its origin, as `cp -p` sets it
        assert home.look("new_files") == []
    assert home.look("new_files")


def test_a_young_file_is_not_asked_for(home: Home) -> None:
    (home.folder / "events_2.csv").write_text("a")
    assert [home.look("new_files") for _ in range(3)] == [[]] * 3
    assert "being written" in home.said


def test_each_content_is_asked_for_by_one_key_even_after_a_restart(home: Home) -> None:
    home.land("events_2.csv")
    home.look("new_files")
    first = home.look("new_files")[0].run_key
    home.cursors.clear()
    home.look("new_files")
    assert home.look("new_files")[0].run_key == first  # which Dagster launches once
    home.run()
    assert home.look("new_files") == []
    home.land("events_3.csv")
    home.look("new_files")
    assert home.look("new_files")[0].run_key != first


def test_a_content_that_comes_back_is_asked_for_each_time(home: Home) -> None:
    keys = []
    for text in ("bb", "a", "bb", "a"):
        home.land("events.csv", text)
        home.look("new_files")
        keys += [request.run_key for request in home.look("new_files")]
        home.run()
    assert len(set(keys)) == 4


def test_what_a_run_has_read_is_not_asked_for(home: Home) -> None:
    assert [home.look("new_files") for _ in range(2)] == [[], []]
    (home.folder / "_SUCCESS").touch()
    (home.folder / ".events.csv.x7").touch()  # of an rsync at work
    assert [home.look("new_files") for _ in range(2)] == [[], []]


def test_a_folder_that_is_away_is_not_asked_for(home: Home) -> None:
    home.folder.rename(home.folder.with_name("away"))
    assert [home.look("new_files") for _ in range(2)] == [[], []]
    assert "no file" in home.said


def test_a_dataset_that_cannot_be_read_stops_no_other(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was seen of it counts on."""
    remember(home.settings, "broken", {"dataset": "own", "data": str(home.folder.with_name("stale"))})
    former = json.dumps({"broken": "digest", "shop": None})
    home.cursors["new_files"] = former
    read = Landed.of

    def of(folder: Path | None) -> Landed:
        if folder and folder.name == "stale":
            raise OSError(errno.ESTALE, "Stale file handle", str(folder))
        return read(folder)

    monkeypatch.setattr(Landed, "of", of)
    home.land("events_2.csv")
    home.look("new_files")
    assert "broken: OSError" in home.said and "Stale file handle" in home.said
    assert [request.tags[new_data.DATASET] for request in home.look("new_files")] == ["shop"]
    assert json.loads(str(home.cursors["new_files"]))["broken"] == "digest"


def test_a_file_that_is_deleted_meanwhile_is_not_there(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before, gone = Landed.of(home.folder), home.folder / "gone.csv"
    listed = [home.folder / "events.csv", gone]
    monkeypatch.setattr(Path, "iterdir", lambda _: listed)  # as it was a moment ago
    assert Landed.of(home.folder) == before


def test_a_folder_behind_a_link_is_part_of_the_folder(home: Home, tmp_path: Path) -> None:
    (away := tmp_path / "disk" / "events").mkdir(parents=True)
    (home.folder / "events").symlink_to(away)
    (away / "back").symlink_to(home.folder)  # which leads round
    (away / "day=2024-01-01").symlink_to(tmp_path / "disk")
    home.land("events/part-1.parquet")
    assert list(Landed.of(home.folder).files) == ["events/part-1.parquet", "events.csv"]
    home.run()
    home.land("events/part-2.parquet")
    home.look("new_files")
    assert len(home.look("new_files")) == 1


def test_a_folder_that_is_closed_to_this_user_is_no_part(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before, read = Landed.of(home.folder), Path.iterdir
    (home.folder / "lost+found").mkdir()

    def iterdir(folder: Path) -> Iterator[Path]:
        if folder.name == "lost+found":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return read(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert Landed.of(home.folder) == before


def test_a_log_that_cannot_be_opened_stops_no_other(home: Home, log: SqliteEventLog) -> None:
    remember(home.settings, "broken", {"dataset": "own", "data": "files"})
    home.settings.event_log("broken").write_bytes(b"no database, whatever its name says")
    log.append([event(1, datetime(2024, 1, 1))])
    (asked,) = home.look("sealed_events")
    assert asked.tags[new_data.DATASET] == "shop"
    home.run(log=1)
    assert home.look("sealed_events") == []
    assert "broken: " in home.said and "shop: the last run has read" in home.said


@pytest.mark.parametrize(("job", "noted"), [("release_job", True), ("update_job", False)])
def test_only_a_release_takes_the_data(home: Home, job: str, noted: bool) -> None:
    """After an update of the ids, the release for the same files is still to come."""
    options = {"dataset": "tiny", "same_dataset": True}
    config = {"resources": {"workspace": {"config": options}}}
    source = [dg.AssetKey(name) for name in ("events", "users", "items")]
    assert defs.resolve_job_def(job).execute_in_process(config, instance=home.instance, asset_selection=source).success
    values = Workspace(**options).values_folder
    assert (values / TAKEN).exists() == bool(read_taken(values).at) == noted


def test_a_run_at_work_is_waited_for(home: Home) -> None:
    home.land("events_2.csv")
    home.look("new_files")
    run = dg.DagsterRun(
        job_name="release_job", run_id="8b1c2d3e-0000-4000-8000-000000000001", tags={new_data.DATASET: "shop"}
    )
    home.instance.add_run(run.with_status(dg.DagsterRunStatus.STARTED))
    assert home.look("new_files") == []
    home.instance.delete_run(run.run_id)
    assert len(home.look("new_files")) == 1


def event(number: int, arrived: datetime) -> Event:
    return Event(event_id=f"e{number}", kind=EventKind.CLICK, user_id="u", item_id="i", time=arrived, arrived=arrived)


@pytest.fixture
def log(home: Home) -> Iterator[SqliteEventLog]:
    log = SqliteEventLog(home.settings.event_log("shop"))
    yield log
    log.close()


@pytest.mark.parametrize("size", [0, 1, 2, 9])
def test_the_sealed_part_is_what_arrived_before(log: SqliteEventLog, size: int) -> None:
    times = [datetime(2024, 1, 1) + timedelta(hours=hour) for hour in range(size)]
    numbers = log.append([event(each, time) for each, time in enumerate(times)])
    for moment in (*times, datetime(2023, 1, 1), datetime(2025, 1, 1)):
        before = [number for number, time in zip(numbers, times, strict=True) if time < moment]
        assert sealed_until(log, moment) == max(before, default=0)


def test_forgotten_events_hide_no_later_ones(log: SqliteEventLog) -> None:
    times = [datetime(2024, 1, 1, hour) for hour in range(8)]
    log.append([replace(event(each, time), user_id=f"u{each}") for each, time in enumerate(times)])
    for user in range(2, 7):
        log.forget(f"u{user}", datetime(2024, 1, 1, 9))
    assert sealed_until(log, datetime(2024, 1, 2)) == 8


def test_a_day_is_over_a_minute_after_midnight() -> None:
    assert end_of_sealed_day(datetime(2024, 1, 2, 0, 0, 59)) == datetime(2024, 1, 1)
    assert end_of_sealed_day(datetime(2024, 1, 2, 0, 1)) == datetime(2024, 1, 2)


def test_a_day_of_the_log_is_asked_for_when_it_is_over(
    home: Home, log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = datetime(2024, 1, 1)
    log.append([event(1, day + timedelta(hours=1))])

    def at(now: datetime) -> list[dg.RunRequest]:
        monkeypatch.setattr(new_data, "present_time", lambda: now)
        return home.look("sealed_events")

    assert at(day + timedelta(hours=23)) == []
    (asked,) = at(day + timedelta(hours=25))
    home.run(log=1)
    assert at(day + timedelta(hours=26)) == []
    log.append([event(2, day + timedelta(hours=26))])
    assert at(day + timedelta(hours=27)) == []
    assert at(day + timedelta(hours=50))[0].run_key != asked.run_key


def test_a_home_without_folders_and_logs_asks_for_nothing(home: Home) -> None:
    (home.settings.home / "datasets.json").unlink()
    remember(home.settings, "tiny", {"dataset": "tiny"})
    assert home.look("new_files") == home.look("sealed_events") == []
