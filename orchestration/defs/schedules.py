"""Schedules of the datasets of a home: releases at night and each week, updates between them.

All are off until `GATEHOUSE_SCHEDULES=on`, or a person turns one on in Dagster. Each tick asks for one run of every
dataset that the home has run, with the folder and options of its last run.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.defs.apart import apart
from orchestration.defs.automation import release_job
from orchestration.defs.switch import schedule_status
from orchestration.defs.updates import update_job
from orchestration.landing import BETWEEN_LOOKS, Landed
from orchestration.local.datasets import known
from serving.registry.sqlite import open_registry
from serving.settings import Settings

DATASET, FILES, LOG = "gatehouse/dataset", "gatehouse/files", "gatehouse/log"
"""Tags of a run: its dataset, a hash of the names, sizes and times of its files, and the newest event of its log."""
NEVER_RUN = "nothing was run in this home yet: `gatehouse run` comes first"
AT_WORK = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
Asked = Iterator[dg.RunRequest | dg.SkipReason]


@dataclass(frozen=True, kw_only=True)
class Found:
    """Data of a dataset at a look."""

    files: Landed
    log: int
    """Number of the newest event of its log; 0 where none was posted."""

    @property
    def tags(self) -> dict[str, str]:
        """Tags of an update from these data."""
        tags = {FILES: self.files.digest[:32]} if self.files.digest else {}  # a tag has at most 63 characters
        return tags | ({LOG: str(self.log)} if self.log else {})


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
    description="Every half hour: new ids of every dataset of the home whose files or event log have changed since its"
    " last update.",
)
def half_hourly(context: dg.ScheduleEvaluationContext) -> Asked:
    """Ask for an update of every dataset with new files or events."""
    settings = Settings.from_environment(os.environ)
    skipped: list[str] = []
    asked: list[dg.RunRequest] = []
    for name, found in _changed(context, settings, skipped).items():
        with apart(name, context.log, skipped):
            options = known(settings)[name]
            if _landed(options).is_complete(found.files.digest, time.time()):
                asked.append(_request(name, context.scheduled_execution_time, options, found.tags))
            else:
                skipped.append(f"{name}: files are being written")
    # Beside requests, a reason is only a line of the tick's log.
    why = "; ".join(skipped) or NEVER_RUN
    if skipped or not asked:
        context.log.info(why)
    yield from asked
    if not asked:
        yield dg.SkipReason(why)


def _changed(context: dg.ScheduleEvaluationContext, settings: Settings, skipped: list[str]) -> dict[str, Found]:
    """Data of the datasets that need an update, by name, as they were BETWEEN_LOOKS ago.

    Args:
        context: of the tick.
        settings: the home.
        skipped: why others need none, which is added to.
    """
    changed = {}
    for name, options in known(settings).items():
        with apart(name, context.log, skipped):
            found = Found(files=_landed(options), log=_newest_event(settings, name))
            if reason := no_update(context.instance, settings, name, options, found):
                skipped.append(reason)
            else:
                changed[name] = found
    if changed:
        time.sleep(BETWEEN_LOOKS)
    return changed


def _landed(options: Mapping[str, Any]) -> Landed:
    return Landed.of(Path(options["data"]) if options.get("data") else None)


def _newest_event(settings: Settings, name: str) -> int:
    if not settings.has_event_log(name):
        return 0
    with closing(settings.open_event_log(name)) as log:
        return log.newest()


def no_update(
    instance: dg.DagsterInstance, settings: Settings, name: str, options: Mapping[str, Any], found: Found
) -> str | None:
    """Say why a dataset needs no update; None if it does.

    Args:
        instance: Dagster's runs.
        settings: the home.
        name: name of the dataset.
        options: options of its last run.
        found: its data.
    """
    folder = options.get("data")
    if not folder and not found.log:
        return f"{name}: its data ships with Gatehouse and never changes, and no event was posted"
    if open_registry(settings, name).champion() is None:
        return f"{name}: no champion yet, which an update would start from"
    if instance.get_runs(dg.RunsFilter(tags={DATASET: name}, statuses=AT_WORK), limit=1):
        return f"{name}: a run is at work"
    if folder and found.files.digest is None:
        return f"{name}: no file in {folder}"
    # The newest of them all: content that was there before, and has come back, is news to the champion.
    updates = dg.RunsFilter(job_name=update_job.name, tags={DATASET: name}, statuses=[dg.DagsterRunStatus.SUCCESS])
    if any(found.tags.items() <= run.tags.items() for run in instance.get_runs(updates, limit=1)):
        return f"{name}: {_unchanged(folder, found)} since the last update"
    return None


def _unchanged(folder: str | None, found: Found) -> str:
    """Word what was looked at, and is as it was."""
    files = [f"no file in {folder} has changed"] if folder else []
    return " and ".join([*files, *(["no event was posted"] if found.log else [])])


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
