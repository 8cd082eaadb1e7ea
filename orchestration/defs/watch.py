"""Sensors that alert: verdicts that did not pass, and runs that failed."""

import json
import os
from collections.abc import Mapping
from typing import Any

import dagster as dg

from orchestration.alerts import alert
from orchestration.defs.automation import release_job
from orchestration.defs.new_data import DATASET
from orchestration.defs.switch import sensor_status
from orchestration.reporting.failures import failed_checks, failed_steps
from serving.gate.verdict import Outcome
from serving.settings import Settings

VERDICT = dg.AssetKey("verdict")
AT_ONCE = 100
"""Most verdicts of one look; further ones wait for the next."""


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=sensor_status(),
    description="Alerts, with the reasons, of each version whose verdict is failed or undecided.",
)
def verdicts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Alert of every verdict since the last look that did not pass.

    Dagster's own asset sensors see the last event alone; of several versions in a minute they would miss the others.
    """
    if context.cursor is None:  # what was judged before the sensor ran is known
        newest = context.instance.fetch_materializations(VERDICT, limit=1).records
        return _looked({"after": newest[0].storage_id if newest else 0, "told": {}}, "looks from now on")
    cursor: dict[str, Any] = json.loads(context.cursor)
    since = dg.AssetRecordsFilter(asset_key=VERDICT, after_storage_id=cursor["after"])
    told = 0
    for record in context.instance.fetch_materializations(since, limit=AT_ONCE, ascending=True).records:
        assert record.asset_materialization is not None
        facts = {name: each.value for name, each in record.asset_materialization.metadata.items()}
        told += _tell(facts, cursor["told"])
        cursor["after"] = record.storage_id
    return _looked(cursor, f"{told} alerts")


def _tell(facts: Mapping[str, Any], told: dict[str, int]) -> bool:
    """Alert of a verdict, once for each version: a night without news judges none anew.

    Args:
        facts: metadata of the verdict.
        told: version of the last alert of each dataset, which is brought up to date.
    """
    dataset, version, outcome = (facts.get(name) for name in ("dataset", "version", "outcome"))
    if outcome == Outcome.PASSED.value or told.get(str(dataset)) == version:
        return False
    told[str(dataset)] = int(version or 0)
    text = (
        f"{facts.get('reasons')}\n\nThe champion goes on serving. `gatehouse releases --dataset {dataset}` lists the"
        " versions; docs/concepts/gate.md says what helps."
    )
    alert(Settings.from_environment(os.environ), f"Gatehouse, {dataset}: version {version} is {outcome}", text)
    return True


def _looked(cursor: Mapping[str, Any], said: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=said, cursor=json.dumps(cursor))


@dg.run_failure_sensor(
    monitored_jobs=[release_job],
    minimum_interval_seconds=30,
    default_status=sensor_status(),
    description="Alerts of each run that Dagster has launched and that failed, with its first errors.",
)
def failed_runs(context: dg.RunFailureSensorContext) -> None:
    """Alert of a failed run. Dagster calls this once for each, and notes how far it came."""
    run = context.dagster_run
    reasons = [*failed_checks(context.instance, run.run_id), *failed_steps(context.instance, run.run_id)]
    dataset = run.tags.get(DATASET, run.job_name)
    text = "\n".join(reasons) or context.failure_event.message or "no reason is known"
    again = f"The champion goes on serving. Run {run.run_id} can be read, and executed again, in Dagster's UI."
    alert(Settings.from_environment(os.environ), f"Gatehouse, {dataset}: a run failed", f"{text}\n\n{again}")
