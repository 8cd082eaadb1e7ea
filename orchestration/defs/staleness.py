"""Sensor that alerts of what has grown old, and the freshness that Dagster shows."""

import json
import os
from datetime import timedelta

import dagster as dg

from feature_repo.utc import present_time
from orchestration.alerts import alert
from orchestration.defs.apart import apart
from orchestration.defs.switch import sensor_status
from orchestration.local.datasets import known
from orchestration.staleness import LAST_RUN, ages_of, too_old
from orchestration.workspace import Workspace
from serving.settings import Settings

FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=LAST_RUN, warn_window=timedelta(days=2))
"""Of assets that every completed run materialises."""


@dg.sensor(
    minimum_interval_seconds=3600,
    default_status=sensor_status(),
    description="Alerts of a champion or online features far behind the newest data, and of days without a run.",
)
def stale(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Alert of each thing that has grown old, once until it is young again."""
    settings, now = Settings.from_environment(os.environ), present_time()
    told: dict[str, list[str]] = json.loads(context.cursor or "{}")
    found: dict[str, list[str]] = {}
    said: list[str] = []
    for dataset, options in known(settings).items():
        found[dataset] = told.get(dataset, [])
        with apart(dataset, context.log, said):
            ages = ages_of(settings, dataset, Workspace(**options).values_folder)
            old = too_old(ages, now, settings.features_behind_days)
            for what, reason in old.items():
                if what not in told.get(dataset, []):
                    alert(settings, f"Gatehouse, {dataset}: {what} too old", reason)
            found[dataset] = list(old)
            said += [f"{dataset}: {', '.join(old)} too old"] if old else []
    return dg.SensorResult(skip_reason="; ".join(said) or "nothing is too old", cursor=json.dumps(found))
