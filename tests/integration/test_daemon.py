"""The real daemon: a run is launched by itself, and people are told; a champion that was moved is put back."""

from __future__ import annotations

import json
import os
from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from feature_repo.events.event import Event, EventKind
from feature_repo.events.sqlite_log import SqliteEventLog
from feature_repo.utc import present_time
from orchestration.definitions import defs
from orchestration.drift import FEATURE_PROFILE
from orchestration.landing import Landed, Taken, note_taken
from orchestration.local.datasets import remember
from orchestration.local.home import prepare_home
from orchestration.newest_drift import features_at_end
from orchestration.workspace import Workspace
from serving.registry import Registry
from serving.registry.sqlite import open_registry
from serving.release.promotion import promote
from serving.settings import Settings
from tests.integration.daemon_world import SECONDS, daemon, wait_for
from tests.integration.release_world import (
    DATASET,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)
from tests.unit.orchestration.alert_world import webhook
from tests.unit.orchestration.late_world import DAYS, START, compute_day, events, write_run
from tests.unit.orchestration.newest_world import USERS, shop, write_newest
from training.evaluation.drift import profile

LONG_AGO = 1_700_000_000


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


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
def test_a_day_of_the_log_is_over_and_a_run_is_launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GATEHOUSE_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path / "home")})
    prepare_home(settings)
    (folder := tmp_path / "files").mkdir()
    (folder / "events.csv").write_text("user_id,item_id,timestamp\n")
    os.utime(folder / "events.csv", (LONG_AGO, LONG_AGO))
    options, log = {"dataset": "own", "data": str(folder)}, tmp_path / "daemon.log"
    note_taken(Workspace(**options).values_folder, Taken(files=Landed.of(folder).digest))
    remember(settings, "shop", options)
    with closing(SqliteEventLog(settings.event_log("shop"))) as posted:
        day = present_time() - timedelta(days=1)
        posted.append([Event(event_id="e", kind=EventKind.CLICK, user_id="u", item_id="i", time=day, arrived=day)])
    with dg.DagsterInstance.get() as instance, daemon({"GATEHOUSE_SCHEDULES": "on"}, log):
        wait_for(lambda: bool(instance.get_runs()), log)
        (run,) = instance.get_runs()
    assert (run.job_name, run.tags["dagster/sensor_name"]) == ("release_job", "sealed_events")


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
def test_a_champion_that_was_moved_by_hand_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sensor is on without the switch of the schedules."""
    for name in ("GATEHOUSE_HOME", "DAGSTER_HOME", "GATEHOUSE_SCHEDULES"):
        monkeypatch.setenv(name, "")
    settings, log = fresh_home(tmp_path / "home", empty_database(tmp_path / "empty")), tmp_path / "daemon.log"
    (settings.home / "data" / DATASET).mkdir(parents=True)
    artifacts = write_artifacts(tmp_path / "artifacts", schema())
    for outcome in ("passed", "failed"):
        seal_as(settings, register(settings, artifacts), outcome)
    promote(settings, DATASET, 1)
    Registry(settings, DATASET).set_champion(2)
    prepare_home(settings)
    with (
        webhook() as channel,
        dg.DagsterInstance.get(),
        daemon({"GATEHOUSE_HOME": str(settings.home), "GATEHOUSE_ALERT_WEBHOOK": channel.uri}, log),
    ):
        wait_for(lambda: open_registry(settings, DATASET).champion() == 1, log)
        wait_for(lambda: bool(channel.bodies), log)
    (body,) = channel.bodies
    assert "moved to version 2 by hand" in json.loads(body)["text"]


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
def test_data_that_drift_are_told_and_late_events_reopen_their_days_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GATEHOUSE_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")
    settings, log = fresh_home(tmp_path / "home", empty_database(tmp_path / "empty")), tmp_path / "daemon.log"
    registry, options = Registry(settings, DATASET), {"dataset": "own", "data": "files"}
    seal_as(settings, register(settings, write_artifacts(tmp_path / "artifacts", schema())), "passed")
    promote(settings, DATASET, 1)
    prepare_home(settings)
    remember(settings, DATASET, options)
    values = Workspace(**options).values_folder
    same = features_at_end(write_newest(tmp_path / "run1", values, shop()))
    registry.write_text(1, FEATURE_PROFILE, json.dumps({name: asdict(profile(each)) for name, each in same.items()}))
    past = Workspace(**options, past=True).values_folder
    for number in (3, 8):
        compute_day(past, events(), number)
    write_run(values, past, events(), START + timedelta(days=DAYS))
    with webhook() as channel, dg.DagsterInstance.get() as instance:
        environment = {"GATEHOUSE_HOME": str(settings.home), "GATEHOUSE_SCHEDULES": "on"}
        with daemon(environment | {"GATEHOUSE_ALERT_WEBHOOK": channel.uri}, log):
            for said in ("no feature moved", "no event came late"):
                wait_for(lambda said=said: said in log.read_text(errors="replace"), log)
            assert (channel.bodies, instance.get_runs()) == ([], [])
            write_run(values, past, events((1, 8)), START + timedelta(days=DAYS))
            write_newest(tmp_path / "run2", values, shop(town=["bath"] * USERS))
            wait_for(lambda: bool(channel.bodies), log)
            wait_for(lambda: "user town moved" in log.read_text(errors="replace"), log)
            wait_for(lambda: bool(instance.get_runs()), log)
            wait_for(lambda: "no run has read newer data" in log.read_text(errors="replace"), log)
        (asked,) = [run.tags for run in instance.get_runs()]
        # In another life it goes on from the cursor that the daemon has kept.
        (state,) = [each for each in instance.all_instigator_state() if each.instigator_name == "drifted"]
        monkeypatch.setenv("GATEHOUSE_ALERT_WEBHOOK", channel.uri)
        context = dg.build_sensor_context(instance=instance, cursor=state.instigator_data.cursor)
        tick = defs.resolve_sensor_def("drifted").evaluate_tick(context)
    assert tick.skip_message == "shop: user town moved"
    assert (asked["dagster/sensor_name"], asked["dagster/partition"]) == ("late_days", "2024-01-09")
    told = [json.loads(body)["text"] for body in channel.bodies]
    assert ["user town: PSI" in text for text in told].count(True) == 1
    # The files of this shop are nowhere.
    assert all("2024-01-09: a run of training_days failed" in text for text in told if "PSI" not in text)
