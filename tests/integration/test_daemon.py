"""The real daemon: a file lands, a run is launched for it by itself, it fails, and people are told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from orchestration.landing import Landed, Taken, note_taken
from orchestration.local.datasets import remember
from orchestration.local.end import stop_processes
from orchestration.local.home import prepare_home
from orchestration.local.servers import dagster_servers
from orchestration.workspace import Workspace
from serving.settings import Settings
from tests.unit.orchestration.alert_world import webhook

LONG_AGO = 1_700_000_000
SECONDS = 200


@contextmanager
def daemon(environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run Dagster's daemon as `gatehouse up` does."""
    (service,) = [each for each in dagster_servers(0) if each.name == "dagster-daemon"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *service.command],
            env={**os.environ, **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        stop_processes([(process, signal.SIGTERM)], seconds=3, pause=0.2)


def wait_for(what: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-3_000:]
        time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.timeout(2 * SECONDS + 60)
def test_a_file_lands_and_a_run_is_launched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, folder, log = tmp_path / "home", tmp_path / "files", tmp_path / "daemon.log"
    for name in ("GATEHOUSE_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(home)})
    prepare_home(settings)
    folder.mkdir()
    options = {"dataset": "own", "data": str(folder)}
    (folder / "events.csv").write_text("user_id,item_id,timestamp\n")
    note_taken(Workspace(**options).values_folder, Taken(files=Landed.of(folder).digest))
    remember(settings, "shop", options)
    with webhook() as channel, dg.DagsterInstance.get() as instance:
        # No gatehouse.yaml: the run fails at its first asset.
        environment = {"GATEHOUSE_SCHEDULES": "on", "GATEHOUSE_ALERT_WEBHOOK": channel.uri}
        with daemon(environment, log):
            (folder / "events_2.csv").write_text("user_id,item_id,timestamp\n")
            os.utime(folder / "events_2.csv", (LONG_AGO, LONG_AGO))
            wait_for(lambda: bool(instance.get_runs()), log)
            wait_for(lambda: bool(channel.bodies), log)
        assert [run.tags["dagster/sensor_name"] for run in instance.get_runs()] == ["new_files"]
        with daemon(environment, log):  # in another life it asks again, by the same key
            wait_for(lambda: "Skipping 1 run for sensor new_files" in log.read_text(errors="replace"), log)
        assert len(instance.get_runs()) == 1
    (body,) = channel.bodies
    assert "gatehouse.yaml" in json.loads(body)["text"]
