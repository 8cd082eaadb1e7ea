"""A run that nobody started by hand waits for files that are being written."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from feature_repo.datasets import Tables, tiny
from feature_repo.errors import InputError
from orchestration import settled as module
from orchestration.definitions import defs
from orchestration.landing import Landed
from orchestration.settled import read_settled, settled

LONG_AGO = 1_700_000_000
QUIET = list[str]().append
TABLES = tiny.generate(seed=0)


class Clock:
    """A clock that only sleeping moves, and what happens in the folder meanwhile."""

    def __init__(self) -> None:
        self.now = float(LONG_AGO)
        self.meanwhile: Callable[[], None] = lambda: None

    def time(self) -> float:
        return self.now

    monotonic = time

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def write(file: Path, size: int, time: float = LONG_AGO - 3600) -> None:
    file.write_text("a" * size)
    os.utime(file, (time, time))


def test_a_file_that_grows_between_two_looks_is_waited_for(tmp_path: Path, clock: Clock) -> None:
    file, sizes, said = tmp_path / "events.csv", iter(range(2, 9)), list[str]()
    write(tmp_path / "items.csv", 1, LONG_AGO - 1800)
    write(file, 1)  # with the time of its origin, as `cp -p` sets it
    clock.meanwhile = lambda: write(file, next(sizes, 8))
    assert settled(tmp_path, said.append).files["events.csv"][0] == 8
    assert said == ["events.csv is being written: the run waits for its end, 60 minutes at most"]


def test_a_young_file_is_waited_for(tmp_path: Path, clock: Clock) -> None:
    write(tmp_path / "events.csv", 1, clock.now)
    settled(tmp_path, QUIET)
    assert 60 <= clock.now - LONG_AGO < 65


def test_a_folder_at_rest_is_looked_at_twice(tmp_path: Path, clock: Clock) -> None:
    write(tmp_path / "events.csv", 1)
    settled(tmp_path, QUIET)
    assert clock.now - LONG_AGO == module.BETWEEN_LOOKS


def test_nothing_is_waited_for_where_there_is_no_file(tmp_path: Path, clock: Clock) -> None:
    for folder in (None, tmp_path, tmp_path / "away"):
        assert settled(folder, QUIET).digest is None
    assert clock.now == LONG_AGO


def test_a_folder_that_goes_away_is_not_waited_for(tmp_path: Path, clock: Clock) -> None:
    write(file := tmp_path / "events.csv", 1)
    clock.meanwhile = file.unlink
    assert settled(tmp_path, QUIET).digest is None


def test_the_end_of_the_patience_names_the_file(tmp_path: Path, clock: Clock) -> None:
    write(tmp_path / "events.csv", 1)
    clock.meanwhile = lambda: write(tmp_path / "events_2.csv", 1, clock.now)
    with pytest.raises(InputError, match=r"events_2\.csv is still being written after 60 minutes"):
        settled(tmp_path, QUIET)
    assert clock.now - LONG_AGO == pytest.approx(3600, abs=5)


def test_files_that_change_while_they_are_read_are_read_again(tmp_path: Path, clock: Clock) -> None:
    file, read = tmp_path / "events.csv", list[int]()
    write(file, 1)

    def reading() -> Tables:
        read.append(file.stat().st_size)
        write(file, 2)  # a copy that ends while the files are read for the first time
        return TABLES

    landed, _ = read_settled(tmp_path, reading, QUIET)
    assert (read, landed) == ([1, 2], Landed.of(tmp_path))


def test_files_that_change_at_each_reading_are_refused(tmp_path: Path, clock: Clock) -> None:
    write(file := tmp_path / "events.csv", 1)

    def reading() -> Tables:
        write(file, file.stat().st_size + 1)
        return TABLES

    with pytest.raises(InputError, match="was changed each of 3 times while it was read"):
        read_settled(tmp_path, reading, QUIET)


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ({"dagster/schedule_name": "nightly"}, "events.csv is still being written"),
        ({"dagster/sensor_name": "late_days"}, "events.csv is still being written"),
        ({}, "gatehouse.yaml"),  # a run by hand reads at once, and misses the description
    ],
)
def test_runs_of_schedules_and_sensors_wait_and_those_by_hand_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tags: dict[str, str], wanted: str
) -> None:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module, "PATIENCE", timedelta(0))
    monkeypatch.setattr(module, "BETWEEN_LOOKS", 0.0)
    (folder := tmp_path / "files").mkdir()
    (folder / "events.csv").write_text("user_id,item_id,timestamp\n")
    config = {"resources": {"workspace": {"config": {"dataset": "own", "data": str(folder)}}}}
    source = [dg.AssetKey(name) for name in ("events", "users", "items")]
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(InputError, match=wanted):
        job = defs.resolve_job_def("release_job")
        job.execute_in_process(config, instance=instance, tags=tags, asset_selection=source)
