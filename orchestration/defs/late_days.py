"""Sensor that computes days of the past again whose events came late."""

import json
import os
from collections.abc import Mapping
from typing import Any

import dagster as dg

from orchestration.day_notes import DIGESTS, reopened
from orchestration.defs.apart import apart
from orchestration.defs.backfill import day_config, training_days
from orchestration.defs.new_data import AT_WORK
from orchestration.defs.switch import sensor_status
from orchestration.local.datasets import known
from orchestration.workspace import Workspace
from serving.settings import Settings

AT_ONCE = 2
"""Most days of `training_days` at work at once; the others wait for the next looks."""
BEHIND = {"dagster/priority": "-10"}
"""Tag of a day's run, which waits behind releases and updates in Dagster's queue."""


@dg.sensor(
    job=training_days,
    minimum_interval_seconds=30,
    default_status=sensor_status(),
    description="Asks once for each day of `training_days` that was computed before events came late which were known"
    f" at its end, by the data of the newest run; {AT_ONCE} days at a time, behind releases and updates.",
)
def late_days(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Ask for the days of each dataset that the data of its newest run have re-opened, as many as may be at work."""
    settings = Settings.from_environment(os.environ)
    former: dict[str, list[str]] = json.loads(context.cursor or "{}")
    seen: dict[str, list[str]] = {}
    asked: list[dg.RunRequest] = []
    said: list[str] = []
    free = AT_ONCE - _at_work(context.instance)
    for name, options in known(settings).items():
        seen |= {name: former[name]} if name in former else {}
        with apart(name, context.log, said):
            workspace = Workspace(**options)
            values = workspace.values_folder
            if not (values / DIGESTS).exists():
                said.append(f"{name}: no run has read its data")
                continue
            run, found = str((values / DIGESTS).stat().st_mtime_ns), reopened(values, workspace.past_values_folder)
            # Each newer run asks anew: the day of a former one may have failed.
            before = former[name] if former.get(name, [])[:1] == [run] else [run]
            left = [day for day in found if day not in before]
            now = left[: free - len(asked)]
            asked += [_request(name, options, day, run) for day in now]
            seen[name] = [*before, *now]
            said.append(f"{name}: {_reason(found, left)}")
    why = "; ".join(said) or "no dataset was run"
    return dg.SensorResult(run_requests=asked, skip_reason=None if asked else why, cursor=json.dumps(seen))


def _at_work(instance: dg.DagsterInstance) -> int:
    """Number of days that are queued or at work, up to the most."""
    return len(instance.get_run_records(dg.RunsFilter(job_name=training_days.name, statuses=AT_WORK), limit=AT_ONCE))


def _reason(found: list[str], left: list[str]) -> str:
    """Why no day is asked for.

    Args:
        found: days that are re-opened.
        left: those that were not asked for.
    """
    if left:
        return f"{len(left)} days wait for those at work"
    return "each day was asked for, and no run has read newer data" if found else "no event came late"


def _request(dataset: str, options: Mapping[str, Any], day: str, run: str) -> dg.RunRequest:
    """Ask for a day, once for the data of a run.

    Args:
        dataset: name of the dataset.
        options: options of its last run.
        day: ISO date.
        run: the run that has read the data.
    """
    config = day_config(options, day)
    return dg.RunRequest(run_key=f"{dataset} {day} {run}", partition_key=day, run_config=config, tags=BEHIND)
