"""Runs of Dagster: which of them a cleaning removes, and that nothing of them is left."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id
from filelock import FileLock

from orchestration.dagster_runs import JOBS, delete_runs, end_runs, files_of_run, silent_runs, unneeded_runs
from orchestration.doctor.home import home_findings
from orchestration.local.home import prepare_home
from serving.settings import Settings

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


class Fails(dg.Config):
    """Whether a run fails."""

    fails: bool = False


@dg.asset
def thing(config: Fails) -> None:
    print("something for the logs")  # noqa: T201
    if config.fails:
        raise RuntimeError("as it was asked to")


@dg.asset_check(asset=thing)  # type: ignore[arg-type]
def is_there() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    with patch.dict(os.environ):
        settings = Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path / "home")})
        prepare_home(settings)
        yield settings


def run(settings: Settings, *, fails: bool = False, name: str = "release_job") -> str:
    """Materialise an asset with its check, and return the run's id."""
    config = {"ops": {"thing": {"config": {"fails": fails}}}}
    defs = dg.Definitions(assets=[thing], asset_checks=[is_there], jobs=[dg.define_asset_job(name)])
    with dg.DagsterInstance.from_config(str(settings.home / "dagster")) as instance:
        job = defs.resolve_job_def(name)
        return job.execute_in_process(
            run_config=config, instance=instance, raise_on_error=False, tags={"for": "a test"}
        ).run_id


def test_runs_go_a_while_after_their_end_but_for_the_last_and_those_of_versions(settings: Settings) -> None:
    first, second, failed, last = (run(settings, fails=fails) for fails in (False, False, True, False))
    assert unneeded_runs(settings, (), NOW + 6 * DAY) == ()
    assert unneeded_runs(settings, (), NOW + 8 * DAY) == (first, second)
    assert unneeded_runs(settings, {second}, NOW + 8 * DAY) == (first,)
    assert unneeded_runs(settings, (), NOW + 400 * DAY) == (first, second, failed)
    assert last not in unneeded_runs(settings, (), NOW + 400 * DAY)
    failures = [run(settings, fails=True) for _ in range(2)]
    # The last success stays, and of the failures since then the newest.
    assert unneeded_runs(settings, (), NOW + 400 * DAY) == (first, second, failed, failures[0])


def test_runs_of_other_code_are_left_alone(settings: Settings) -> None:
    for _ in range(2):
        run(settings, name="of_a_colleague")
    with dg.DagsterInstance.from_config(str(settings.home / "dagster")) as instance:
        status = dg.DagsterRunStatus.STARTED
        instance.add_run(dg.DagsterRun(job_name="of_a_colleague", run_id=make_new_run_id(), status=status))
    later = NOW + 400 * DAY
    assert (unneeded_runs(settings, (), later), silent_runs(settings, later)) == ((), ())


def test_the_jobs_are_those_of_the_definitions() -> None:
    from orchestration.definitions import defs

    assert {each.name for each in defs.resolve_all_job_defs()} - {"__ASSET_JOB"} == JOBS


def test_nothing_of_a_deleted_run_is_left(settings: Settings) -> None:
    gone, stays = run(settings), run(settings)
    for each in (gone, stays):
        (settings.home / "dagster" / "storage" / each / "compute_logs").mkdir(parents=True, exist_ok=True)
    assert rows_of(settings, gone).keys() == rows_of(settings, stays).keys() >= {"runs", "run_tags", "event_logs"}
    for _ in range(2):  # the second call finds nothing, or what the first was cut off from
        delete_runs(settings, [gone])
        assert rows_of(settings, gone) == {}
        assert not any(path.exists() for path in files_of_run(settings, gone))
    with dg.DagsterInstance.from_config(str(settings.home / "dagster")) as instance:
        assert instance.get_run_by_id(gone) is None
        assert instance.all_logs(stays)
    assert rows_of(settings, stays)["asset_check_executions"] == 1


def test_a_run_that_was_killed_is_ended_and_one_at_work_is_not(settings: Settings) -> None:
    with dg.DagsterInstance.from_config(str(settings.home / "dagster")) as instance:
        killed = dg.DagsterRun(job_name="update_job", run_id=make_new_run_id(), status=dg.DagsterRunStatus.STARTED)
        instance.add_run(killed)
        instance.report_engine_event("its process has started", killed)
    run(settings)
    assert silent_runs(settings, NOW + timedelta(hours=6)) == ()
    lock = settings.home / "data" / "shop" / "input" / "training_set.refit.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock):  # a training may say nothing for long
        assert silent_runs(settings, NOW + DAY) == ()
    assert silent_runs(settings, NOW + DAY) == (killed.run_id,)
    (finding,) = home_findings(settings, NOW + DAY)
    assert killed.run_id in finding.problem
    for _ in range(2):
        end_runs(settings, [killed.run_id])
    with dg.DagsterInstance.from_config(str(settings.home / "dagster")) as instance:
        (failed,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    assert failed.run_id == killed.run_id
    assert silent_runs(settings, NOW + DAY) == ()


def rows_of(settings: Settings, run: str) -> dict[str, int]:
    """Rows of a run by table, where there are some."""
    found: dict[str, int] = {}
    for path in (settings.home / "dagster" / "history").rglob("*.db"):
        with closing(sqlite3.connect(path)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                if any(column[1] == "run_id" for column in connection.execute(f"PRAGMA table_info({table})")):
                    (count,) = connection.execute(f"SELECT count(*) FROM {table} WHERE run_id = ?", (run,)).fetchone()
                    found[table] = found.get(table, 0) + count
    return {table: count for table, count in found.items() if count}


def test_a_home_without_runs_has_none_to_delete(tmp_path: Path) -> None:
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path / "empty")})
    assert unneeded_runs(settings, (), NOW) == ()
    assert not settings.home.exists()
