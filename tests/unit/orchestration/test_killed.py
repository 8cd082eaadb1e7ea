"""Runs that were killed are ended by a sensor, and those at work are not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id

from orchestration import dagster_runs
from orchestration.definitions import defs
from orchestration.local.home import dagster_instance, prepare_home
from serving.settings import Settings
from tests.unit.orchestration.killed_world import process_at_work


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Home whose nightly cleaning is off."""
    with patch.dict(os.environ, GATEHOUSE_HOME=str(tmp_path / "home"), GATEHOUSE_KEEP="off"):
        prepare_home(Settings.from_environment(os.environ))
        yield tmp_path / "home"


def begin(instance: dg.DagsterInstance, job: str = "release_job") -> str:
    """A run that says for good that it is at work."""
    run = dg.DagsterRun(job_name=job, run_id=make_new_run_id(), status=dg.DagsterRunStatus.STARTED)
    return instance.add_run(run).run_id


def look(instance: dg.DagsterInstance) -> str:
    tick = defs.resolve_sensor_def("killed_runs").evaluate_tick(dg.build_sensor_context(instance=instance))
    return str(tick.skip_message)


def status(instance: dg.DagsterInstance, run: str) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run)
    assert found is not None
    return found.status


def test_a_run_is_ended_once_its_process_is_gone(home: Path) -> None:
    with dagster_instance() as instance:
        run, other = begin(instance), begin(instance)
        with process_at_work(home, run) as process, process_at_work(home, other):
            assert look(instance).endswith("none")
            assert status(instance, run) is dg.DagsterRunStatus.STARTED
            process.kill()
            process.wait()
            assert look(instance).endswith(run)
            assert status(instance, run) is dg.DagsterRunStatus.FAILURE
            assert status(instance, other) is dg.DagsterRunStatus.STARTED
            assert look(instance).endswith("none")


def test_a_run_that_says_nothing_for_long_is_ended(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one of another host, which has no lock here."""
    with dagster_instance() as instance:
        run, foreign = begin(instance), begin(instance, "of_a_colleague")
        assert look(instance).endswith("none")
        monkeypatch.setattr(dagster_runs, "SILENT_FOR", timedelta(0))
        assert look(instance).endswith(run)
        assert status(instance, run) is dg.DagsterRunStatus.FAILURE
        assert status(instance, foreign) is dg.DagsterRunStatus.STARTED
