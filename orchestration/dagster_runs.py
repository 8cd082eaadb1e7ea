"""Runs of Dagster that nobody needs any more, with their events and logs.

A year of updates is 17,520 runs, and Dagster keeps each for good: in SQLite as a file of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.local.datasets import dataset_names
from orchestration.local.leftovers import is_at_work
from orchestration.run_locks import lock_files, was_killed
from serving.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance, RunRecord

SUCCEEDED_FOR, FAILED_FOR = timedelta(days=7), timedelta(days=30)
"""Time for which a run is kept after its end."""
SILENT_FOR = timedelta(hours=12)
"""Time without an event after which a run is over, whatever it says: each epoch of a training is one."""
AT_ONCE = 1_000
JOBS = frozenset(
    ("cleaning_job", "promote_job", "release_job", "replay", "rollback_job", "training_days", "update_job")
)
"""Jobs whose runs are removed and ended; those of other code on the same Dagster are left alone."""


def unneeded_runs(settings: Settings, needed: Container[str], now: datetime) -> tuple[str, ...]:
    """List the runs that are over for long, but for the last of each job and dataset, and its last success.

    Args:
        settings: the home.
        needed: runs that are kept whatever their age.
        now: present time (UTC, with zone).

    Returns:
        Their ids, oldest first.
    """
    found: list[str] = []
    last: set[tuple[str, ...]] = set()
    with _opened(settings) as instance:
        for record in _ended(instance) if instance else ():
            run = record.dagster_run
            about = (run.job_name, _dataset(run.run_config))
            kinds = {about, (*about, "succeeded")} if run.is_success else {about}
            kept_for = SUCCEEDED_FOR if run.is_success else FAILED_FOR
            is_old = datetime.fromtimestamp(record.end_time or 0, now.tzinfo) < now - kept_for
            # What an asset's page shows is of the last run, and so is the answer whether anything has changed since.
            if kinds <= last and is_old and run.run_id not in needed:
                found.append(run.run_id)
            last |= kinds
    return tuple(found[::-1])


def silent_runs(settings: Settings, now: datetime) -> tuple[str, ...]:
    """List the runs that say for good that they are at work, because they were killed or the machine went down.

    As long as they say so, sensors and updates wait for their end. None is named while a run of the home holds a lock:
    a step may say nothing for long.

    Args:
        settings: the home.
        now: present time (UTC, with zone).
    """
    if any(is_at_work(settings, name) for name in dataset_names(settings)):
        return ()
    with _opened(settings) as instance:
        if instance is None:
            return ()
        before = (now - SILENT_FOR).timestamp()
        old = [each.dagster_run.run_id for each in _at_work(instance) if each.create_timestamp.timestamp() < before]
        return tuple(run for run in old if all(each.timestamp < before for each in instance.all_logs(run)))


def gone_runs(settings: Settings) -> tuple[str, ...]:
    """List the runs that say that they are at work, and whose process on this host is gone."""
    with _opened(settings) as instance:
        found = [each.dagster_run.run_id for each in _at_work(instance)] if instance else []
        return tuple(run for run in found if was_killed(settings.home, run))


def _at_work(instance: DagsterInstance) -> list[RunRecord]:
    """Runs of our jobs that say that they are at work."""
    import dagster as dg

    status = dg.DagsterRunStatus
    statuses = dg.RunsFilter(statuses=[status.STARTING, status.STARTED, status.CANCELING])
    return [each for each in instance.get_run_records(statuses) if each.dagster_run.job_name in JOBS]


def end_runs(settings: Settings, runs: Sequence[str], sign: str = f"no event for {SILENT_FOR}") -> None:
    """Note that runs have failed, which alerts as any failure does.

    Args:
        settings: the home.
        runs: their ids.
        sign: by what it is known that they are over.
    """
    if not runs:
        return
    with _opened(settings) as instance:
        for run in filter(None, map(instance.get_run_by_id, runs)) if instance else ():
            assert instance is not None
            if not run.is_finished:
                instance.report_run_failed(run, f"{sign}: its process was killed")


def files_of_run(settings: Settings, run: str) -> tuple[Path, ...]:
    """Files on this machine with the events of a run and of its lock, and the folder of its logs."""
    home = settings.home / "dagster"
    events = home / "history" / "runs" / f"{run}.db"
    stored = (events.with_name(f"{events.name}{end}") for end in ("", "-wal", "-shm"))
    return (*stored, *lock_files(settings.home, run), home / "storage" / run)


def delete_runs(settings: Settings, runs: Sequence[str]) -> None:
    """Delete runs with their events, checks and logs; a second call completes one that was cut off."""
    if not runs:
        return
    with _opened(settings) as instance:
        for run in runs if instance else ():
            assert instance is not None
            _delete_events(instance, run)
            instance.compute_log_manager.delete_logs(prefix=[run])
            for path in files_of_run(settings, run):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            _delete_run(instance, run)  # last: as long as it is there, the next cleaning finds the rest


@contextmanager
def _opened(settings: Settings) -> Iterator[DagsterInstance | None]:
    """Dagster's instance of a home; None if no run was ever made there."""
    home = settings.home / "dagster"
    if not (home / "dagster.yaml").is_file() or not (settings.dagster_storage or (home / "history").is_dir()):
        yield None
        return
    import dagster as dg

    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def _ended(instance: DagsterInstance) -> Iterator[RunRecord]:
    """Runs of our jobs that are over, newest first."""
    import dagster as dg

    ends = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    cursor: str | None = None
    while page := instance.get_run_records(dg.RunsFilter(statuses=ends), limit=AT_ONCE, cursor=cursor):
        yield from (each for each in page if each.dagster_run.job_name in JOBS)
        cursor = page[-1].dagster_run.run_id


def _dataset(config: Any) -> str:
    """Dataset and folder of a run; empty for one that has none."""
    try:
        options = config["resources"]["workspace"]["config"]
    except (KeyError, TypeError):
        return ""
    return f"{options.get('dataset')} {options.get('data')}"


def _delete_events(instance: DagsterInstance, run: str) -> None:
    """Delete the events of a run, and what its checks found, which Dagster would keep."""
    from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

    storage = instance.event_log_storage
    storage.delete_events(run)
    if isinstance(storage, SqlEventLogStorage):
        with storage.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.delete().where(AssetCheckExecutionsTable.c.run_id == run))


def _delete_run(instance: DagsterInstance, run: str) -> None:
    """Delete a run, and its tags, which SQLite would keep."""
    from dagster._core.storage.runs.schema import RunTagsTable
    from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

    storage = instance.run_storage
    if isinstance(storage, SqlRunStorage):
        with storage.connect() as connection:
            connection.execute(RunTagsTable.delete().where(RunTagsTable.c.run_id == run))
    storage.delete_run(run)
