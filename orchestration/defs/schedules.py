"""Schedules of the datasets of a home: releases at night and each week, updates between them.

All are off until `GATEHOUSE_SCHEDULES=on`, or a person turns one on in Dagster. Each tick asks for one run of every
dataset that the home has run, with the folder and options of its last run.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.defs.apart import apart
from orchestration.defs.automation import release_job
from orchestration.defs.switch import schedule_status
from orchestration.defs.updates import update_job
from orchestration.local.datasets import known
from serving.registry.sqlite import open_registry
from serving.settings import Settings

DATASET, FILES = "gatehouse/dataset", "gatehouse/files"
"""Tags of a run: its dataset, and a hash of the names, sizes and times of its files."""
NEVER_RUN = "nothing was run in this home yet: `gatehouse run` comes first"
AT_WORK = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
Asked = Iterator[dg.RunRequest | dg.SkipReason]


@dg.schedule(
    job=release_job,
    cron_schedule="0 3 * * *",
    default_status=schedule_status(),
    description="Nightly at three (UTC): every dataset of the home, with the folder and options of its last run. The "
    "same input gives the same version, new data a challenger.",
)
def nightly(context: dg.ScheduleEvaluationContext) -> Asked:
    """Ask for a release of every dataset that this home has run."""
    yield from _releases(context.scheduled_execution_time, {})


@dg.schedule(
    job=release_job,
    cron_schedule="0 5 * * 0",
    default_status=schedule_status(),
    description="Sundays at five (UTC): every dataset of the home from scratch, beside all baselines, even if nothing "
    "has changed since its last release.",
)
def weekly(context: dg.ScheduleEvaluationContext) -> Asked:
    """Ask for a new training of every dataset, beside all baselines."""
    yield from _releases(context.scheduled_execution_time, {"retrain": True, "baselines": "all"})


@dg.schedule(
    job=update_job,
    cron_schedule="*/30 * * * *",
    default_status=schedule_status(),
    description="Every half hour: new ids of every dataset of the home whose files have changed since its last update.",
)
def half_hourly(context: dg.ScheduleEvaluationContext) -> Asked:
    """Ask for an update of every dataset with new files."""
    settings = Settings.from_environment(os.environ)
    skipped: list[str] = []
    asked: list[dg.RunRequest] = []
    for name, options in known(settings).items():
        with apart(name, context.log, skipped):
            files = files_digest(options.get("data"))
            reason = no_update(context.instance, settings, name, options, files)
            if reason:
                skipped.append(reason)
            else:
                asked.append(_request(name, context.scheduled_execution_time, options, {FILES: files}))
    # Beside requests, a reason is only a line of the tick's log.
    why = "; ".join(skipped) or NEVER_RUN
    if skipped or not asked:
        context.log.info(why)
    yield from asked or [dg.SkipReason(why)]


def no_update(
    instance: dg.DagsterInstance, settings: Settings, name: str, options: Mapping[str, Any], files: str
) -> str | None:
    """Say why a dataset needs no update; None if it does.

    Args:
        instance: Dagster's runs.
        settings: the home.
        name: name of the dataset.
        options: options of its last run.
        files: digest of its files.
    """
    folder = options.get("data")
    if folder is None:
        return f"{name}: its data ships with Gatehouse and never changes"
    if open_registry(settings, name).champion() is None:
        return f"{name}: no champion yet, which an update would start from"
    if instance.get_runs(dg.RunsFilter(tags={DATASET: name}, statuses=AT_WORK), limit=1):
        return f"{name}: a run is at work"
    done = dg.RunsFilter(job_name=update_job.name, tags={DATASET: name, FILES: files})
    if any(run.is_success for run in instance.get_runs(done, limit=1)):
        return f"{name}: no file in {folder} has changed since the last update"
    return None


def files_digest(folder: str | None) -> str:
    """Hash names, sizes and times of the files in a folder, without reading them; empty without a folder."""
    if folder is None or not Path(folder).is_dir():
        return ""
    found = sorted((str(path.relative_to(folder)), path.stat()) for path in Path(folder).rglob("*") if path.is_file())
    lines = [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in found]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def _releases(moment: datetime, changed: Mapping[str, Any]) -> Asked:
    """Ask for a release of every dataset.

    Args:
        moment: time of the tick.
        changed: options other than those of the last run.
    """
    datasets = known(Settings.from_environment(os.environ))
    if not datasets:
        yield dg.SkipReason(NEVER_RUN)
    for name, options in datasets.items():
        yield _request(name, moment, {**options, **changed}, {})


def _request(name: str, moment: datetime, options: Mapping[str, Any], tags: Mapping[str, str]) -> dg.RunRequest:
    """Ask for a run of a dataset, once in each tick.

    Args:
        name: name of the dataset.
        moment: time of the tick.
        options: fields of `Workspace`.
        tags: further tags of the run.
    """
    return dg.RunRequest(
        run_key=f"{name} {moment.isoformat()}",
        run_config={"resources": {"workspace": {"config": dict(options)}}},
        tags={DATASET: name, **tags},
    )
