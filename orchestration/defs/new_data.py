"""Sensors on new data: files in the folder of a dataset, and days of its event log."""

import json
import os
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg

from feature_repo.utc import present_time
from orchestration.defs.apart import apart
from orchestration.defs.automation import release_job
from orchestration.defs.switch import sensor_status
from orchestration.landing import Landed, end_of_sealed_day, read_taken, sealed_until
from orchestration.local.datasets import known
from orchestration.workspace import Workspace
from serving.settings import Settings

DATASET = "gatehouse/dataset"
AT_WORK = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(
    job=release_job,
    minimum_interval_seconds=30,
    default_status=sensor_status(),
    description="Asks for one run of a dataset whose folder has changed since its last run, once nobody writes into it"
    " any more: nothing changed from one look to the next, and no file is younger than a minute.",
)
def new_files(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Ask for a run of every dataset with a folder that changed and is complete."""
    settings = Settings.from_environment(os.environ)
    former: dict[str, str | None] = json.loads(context.cursor or "{}")
    seen: dict[str, str | None] = {}
    asked: list[dg.RunRequest] = []
    said: list[str] = []
    for name, options in known(settings).items():
        if "data" not in options:
            continue
        seen[name] = former.get(name)
        with apart(name, context.log, said):
            landed = Landed.of(Path(options["data"]))
            taken, seen[name] = read_taken(Workspace(**options).values_folder), landed.digest
            if landed.digest is None:
                said.append(f"{name}: no file in {options['data']}")
            elif landed.digest == taken.files:
                said.append(f"{name}: the last run has read what is there")
            elif not landed.is_complete(former.get(name), time.time()):
                said.append(f"{name}: files are being written")
            elif at_work(context.instance, name):
                said.append(f"{name}: a run is at work")
            else:
                # With the time of the last taking, so that a content that comes back is asked for again.
                asked.append(_request(name, options, f"files {taken.at} {landed.digest}"))
    return _result(asked, said or ["no dataset has a folder"], json.dumps(seen))


@dg.sensor(
    job=release_job,
    minimum_interval_seconds=300,
    default_status=sensor_status(),
    description="Asks for one run of a dataset when a day of its event log is over that its last run lacks.",
)
def sealed_events(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Ask for a run of every dataset whose log has a whole day that no run has read."""
    settings = Settings.from_environment(os.environ)
    moment = end_of_sealed_day(present_time())
    asked: list[dg.RunRequest] = []
    said: list[str] = []
    for name, options in known(settings).items():
        if not settings.has_event_log(name):
            continue
        with apart(name, context.log, said):
            with closing(settings.open_event_log(name)) as log:
                sealed = sealed_until(log, moment)
            if sealed <= read_taken(Workspace(**options).values_folder).log:
                said.append(f"{name}: the last run has read the log up to {moment:%Y-%m-%d}")
            elif at_work(context.instance, name):
                said.append(f"{name}: a run is at work")
            else:
                asked.append(_request(name, options, f"log {sealed}"))
    return _result(asked, said or ["no dataset has an event log"], context.cursor)


def at_work(instance: dg.DagsterInstance, dataset: str) -> bool:
    """Whether a run of a dataset that was asked for is not over; what came since waits for its end."""
    return bool(instance.get_run_records(dg.RunsFilter(tags={DATASET: dataset}, statuses=AT_WORK), limit=1))


def _request(dataset: str, options: Mapping[str, Any], key: str) -> dg.RunRequest:
    """Ask for a run, as the nights do.

    Args:
        dataset: name of the dataset.
        options: fields of its workspace.
        key: what the run is for; Dagster launches one run for each.
    """
    config = {"resources": {"workspace": {"config": dict(options)}}}
    return dg.RunRequest(run_key=f"{dataset} {key}", run_config=config, tags={DATASET: dataset})


def _result(asked: list[dg.RunRequest], said: list[str], cursor: str | None) -> dg.SensorResult:
    """Result of a look.

    Args:
        asked: runs.
        said: reasons why nothing is asked for, told where no run is.
        cursor: what the next look has to know.
    """
    return dg.SensorResult(run_requests=asked, skip_reason=None if asked else "; ".join(said), cursor=cursor)
