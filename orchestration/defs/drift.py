"""Sensor that alerts of features that moved away from those that the champion was trained on."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from orchestration.alerts import alert
from orchestration.dagster_runs import SILENT_FOR
from orchestration.defs.apart import apart
from orchestration.defs.automation import release_job
from orchestration.defs.new_data import AT_WORK, DATASET, at_work
from orchestration.defs.switch import sensor_status
from orchestration.defs.updates import update_job
from orchestration.local.datasets import known
from orchestration.newest_drift import NewestDrift, measure_newest, newest_source
from orchestration.workspace import Workspace
from serving.gate.drift import DriftLimits
from serving.gate.policy_file import read_policy
from serving.registry.sqlite import open_registry
from serving.settings import Settings

Told = dict[str, dict[str, Any]]
"""By dataset: the data and the champion of the last look, and the features that had moved."""


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=sensor_status(),
    description="Alerts of features of the newest data that moved beyond `drift: note` of the gate's policy against"
    " those that the champion was trained on, each once until it is back.",
)
def drifted(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Measure the drift of each dataset whose data or champion are new, and alert of what has moved since."""
    settings = Settings.from_environment(os.environ)
    told: Told = json.loads(context.cursor or "{}")
    found: Told = {}
    said: list[str] = []
    by_hand = _is_one_by_hand_at_work(context.instance)
    for dataset, options in known(settings).items():
        if dataset in told:
            found[dataset] = told[dataset]
        with apart(dataset, context.log, said):
            if by_hand or at_work(context.instance, dataset):  # its version may be the cure
                said.append(f"{dataset}: a run is at work")
                continue
            now = _look(settings, dataset, options, told.get(dataset, {}))
            found |= {dataset: now} if now else {}
    said += [f"{name}: {', '.join(each['moved'])} moved" for name, each in found.items() if each["moved"]]
    return dg.SensorResult(skip_reason="; ".join(said) or "no feature moved", cursor=json.dumps(found))


def _is_one_by_hand_at_work(instance: dg.DagsterInstance) -> bool:
    """Whether a run is at work that no sensor or schedule has asked for, whose dataset no tag tells.

    One that was killed says so for good, so an old one does not count.
    """
    since = datetime.now(UTC) - SILENT_FOR
    runs = instance.get_runs(dg.RunsFilter(statuses=AT_WORK, created_after=since))
    return any(each.job_name in (release_job.name, update_job.name) and DATASET not in each.tags for each in runs)


def _look(
    settings: Settings, dataset: str, options: Mapping[str, Any], former: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Look at a dataset; None where there is nothing to compare.

    Args:
        settings: the home.
        dataset: name of the dataset.
        options: options of its last run.
        former: what the last look found; empty before the first.
    """
    limits = read_policy(settings.gate_policy).drift
    source, registry = newest_source(Workspace(**options).values_folder), open_registry(settings, dataset)
    champion = registry.champion()
    if limits is None or source is None or champion is None:
        return None
    state = {"data": str(source.folder), "champion": champion, "note": limits.note}
    if state.items() <= former.items():
        return None
    drift = measure_newest(registry, source, champion, limits)
    if set(drift.moved) - set(former.get("moved", ())):
        _tell(settings, dataset, drift, limits)
    return state | {"moved": list(drift.moved)}


def _tell(settings: Settings, dataset: str, drift: NewestDrift, limits: DriftLimits) -> None:
    moved = len(drift.moved)
    subject = f"Gatehouse, {dataset}: {moved} feature{'' if moved == 1 else 's'} of the newest data moved"
    alert(settings, subject, drift.text(limits))
