"""The real daemon: it follows the champion in its check, sends lost alerts again, and ends runs that were killed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id

from orchestration.alerts import alert
from orchestration.defs.champion_check import BY_THE_GATE
from orchestration.local.home import prepare_home
from serving.alert_settings import AlertSettings, Secret
from serving.release.promotion import promote, rollback
from serving.settings import Settings
from tests.integration.daemon_world import SECONDS, daemon, wait_for
from tests.integration.moved_world import judged_home
from tests.integration.release_world import DATASET
from tests.unit.orchestration.alert_world import webhook
from tests.unit.orchestration.killed_world import process_at_work


@pytest.fixture(autouse=True)
def no_home_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GATEHOUSE_HOME", "DAGSTER_HOME", "GATEHOUSE_SCHEDULES"):
        monkeypatch.setenv(name, "")


def checks(instance: dg.DagsterInstance) -> list[tuple[bool, str]]:
    """Results of the check of the champion, oldest first."""
    found = instance.event_log_storage.get_asset_check_execution_history(BY_THE_GATE.key, limit=10)
    evaluations = [each.event.dagster_event.asset_check_evaluation_data for each in found if each.event]  # type: ignore[union-attr]
    return [(each.passed, str(each.description)) for each in reversed(evaluations)]


@pytest.mark.slow
@pytest.mark.timeout(3 * SECONDS)
def test_the_check_of_the_champion_follows_it_and_a_lost_alert_is_sent_once(tmp_path: Path) -> None:
    """Their sensors are on without the switch of the schedules."""
    settings, log = judged_home(tmp_path), tmp_path / "daemon.log"
    promote(settings, DATASET, 1)
    promote(settings, DATASET, 2)
    prepare_home(settings)
    away = AlertSettings(webhook=Secret(text="http://127.0.0.1:1/hook"))
    alert(replace(settings, alerts=away), "a night failed", "while the channel was away")

    def looked(said: str) -> None:
        """Wait for a look that is still to come."""
        before = log.stat().st_size
        wait_for(lambda: said.encode() in log.read_bytes()[before:], log)

    with webhook() as channel, dg.DagsterInstance.get() as instance:
        environment = {"GATEHOUSE_HOME": str(settings.home), "GATEHOUSE_ALERT_WEBHOOK": channel.uri}
        with daemon(environment, log):
            wait_for(lambda: len(checks(instance)) == 1, log)
            wait_for(lambda: len(channel.bodies) == 1, log)
            promote(settings, DATASET, 3, override_reason="a test")
            wait_for(lambda: len(checks(instance)) == 2, log)
            looked("serves by an override")
            looked("every alert was sent")
        with daemon(environment, log):  # in another life it goes on from its cursor
            looked("serves by an override")
            assert len(checks(instance)) == 2
            rollback(settings, DATASET)
            wait_for(lambda: len(checks(instance)) == 3, log)
        assert checks(instance) == [
            (True, f"{DATASET}: version 2 serves, by a passed verdict"),
            (False, f"{DATASET}: version 3 serves by an override: a test; its verdict is failed"),
            (True, f"{DATASET}: version 2 serves, by a passed verdict"),
        ]
    assert [json.loads(body)["text"].splitlines()[0] for body in channel.bodies] == ["*a night failed*"]


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
def test_a_run_whose_process_was_killed_is_ended_and_told_and_one_at_work_is_not(tmp_path: Path) -> None:
    settings, log = Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path / "home")}), tmp_path / "daemon.log"
    prepare_home(settings)
    with webhook() as channel, dg.DagsterInstance.get() as instance:
        runs = [
            instance.add_run(
                dg.DagsterRun(job_name="release_job", run_id=make_new_run_id(), status=dg.DagsterRunStatus.STARTED)
            ).run_id
            for _ in range(2)
        ]
        with process_at_work(settings.home, runs[0]) as killed, process_at_work(settings.home, runs[1]):
            killed.kill()
            killed.wait()
            with daemon({"GATEHOUSE_SCHEDULES": "on", "GATEHOUSE_ALERT_WEBHOOK": channel.uri}, log):
                wait_for(lambda: f"since they were killed: {runs[0]}" in log.read_text(errors="replace"), log)
            found = [instance.get_run_by_id(run) for run in runs]
        assert [each.status.value for each in found if each] == ["FAILURE", "STARTED"]
