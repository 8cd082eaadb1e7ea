"""Sensors that alert: verdicts that did not pass, runs that failed, and again what no channel took."""

import json
import os
from collections.abc import Mapping
from typing import Any

import dagster as dg

from feature_repo.utc import present_time
from orchestration.alerts import alert, send_again
from orchestration.defs.automation import release_job
from orchestration.defs.backfill import training_days
from orchestration.defs.cleanings import cleaning_job
from orchestration.defs.new_data import DATASET
from orchestration.defs.replay import replay_job
from orchestration.defs.switch import sensor_status
from orchestration.defs.updates import update_job
from orchestration.reporting.failures import failed_checks, failed_steps
from serving.gate.verdict import Outcome
from serving.settings import Settings

JUDGED = {"verdict": "by the gate", "refit": "by the guards of the refit", "id_update": "by the guards of the update"}
"""Assets that judge a version, and how."""
AT_ONCE = 100
"""Most verdicts of one look; further ones wait for the next."""
DAY = "dagster/partition"
"""Dagster's tag of the run of a day."""
REPEATED = (update_job.name, training_days.name)
"""Jobs that are asked for again after a failure, and fail alike for many days."""


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=sensor_status(),
    description="Alerts, with the reasons, of each version whose verdict is failed or undecided, and of each refit and"
    " update that its guards refuse.",
)
def verdicts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Alert of every verdict since the last look that did not pass.

    Dagster's own asset sensors see the last event alone; of several versions in a minute they would miss the others.
    """
    if context.cursor is None:  # what was judged before the sensor ran is known
        keys = map(dg.AssetKey, JUDGED)
        newest = [each for key in keys for each in context.instance.fetch_materializations(key, limit=1).records]
        after = max((each.storage_id for each in newest), default=0)
        return _looked({"after": after, "told": {}}, "looks from now on")
    cursor: dict[str, Any] = json.loads(context.cursor)
    told = 0
    for record in _judged(context.instance, cursor["after"]):
        assert record.asset_materialization is not None
        facts = {name: each.value for name, each in record.asset_materialization.metadata.items()}
        told += _tell(record.asset_materialization.asset_key.to_user_string(), facts, cursor["told"])
        cursor["after"] = record.storage_id
    return _looked(cursor, f"{told} alerts")


def _judged(instance: dg.DagsterInstance, after: int) -> list[dg.EventLogRecord]:
    """First records after a storage id, of all assets that judge."""
    found: list[dg.EventLogRecord] = []
    for name in JUDGED:
        since = dg.AssetRecordsFilter(asset_key=dg.AssetKey(name), after_storage_id=after)
        found += instance.fetch_materializations(since, limit=AT_ONCE, ascending=True).records
    return sorted(found, key=lambda record: record.storage_id)[:AT_ONCE]


def _tell(judge: str, facts: Mapping[str, Any], told: dict[str, int]) -> bool:
    """Alert of a verdict, once for each version: a night without news judges none anew.

    Args:
        judge: name of the asset.
        facts: its metadata; without an outcome where no version was judged.
        told: version of the last alert of each dataset and asset, which is brought up to date.
    """
    dataset, version, outcome = (facts.get(name) for name in ("dataset", "version", "outcome"))
    key = f"{dataset} {judge}"
    if outcome in (None, Outcome.PASSED.value) or told.get(key) == version:
        return False
    told[key] = int(version or 0)
    text = (
        f"{facts.get('reasons')}\n\nThe champion goes on serving. `gatehouse releases --dataset {dataset}` lists the"
        " versions; docs/concepts/gate.md says what helps."
    )
    subject = f"Gatehouse, {dataset}: version {version} is {outcome} {JUDGED[judge]}"
    alert(Settings.from_environment(os.environ), subject, text)
    return True


def _looked(cursor: Mapping[str, Any], said: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=said, cursor=json.dumps(cursor))


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends alerts again that a channel has not taken, for a day.",
)
def unsent_alerts() -> dg.SkipReason:
    """Try the channels again: whoever alerts notes it as told, and does not repeat it."""
    return dg.SkipReason(send_again(Settings.from_environment(os.environ), present_time()))


@dg.run_failure_sensor(
    monitored_jobs=[release_job, update_job, training_days, cleaning_job, replay_job],
    minimum_interval_seconds=30,
    default_status=sensor_status(),
    description="Alerts of each run that Dagster has launched and that failed, with its first errors; of an update that"
    " is tried each half hour, and of days of `training_days`, each reason once.",
)
def failed_runs(context: dg.RunFailureSensorContext) -> None:
    """Alert of a failed run. Dagster calls this once for each, and notes how far it came."""
    run = context.dagster_run
    reasons = _reasons(context.instance, run.run_id)
    if run.job_name in REPEATED and reasons == _former_reasons(context.instance, run):
        return
    about = "".join(f", {run.tags[tag]}" for tag in (DATASET, DAY) if tag in run.tags)
    text = "\n".join(reasons) or context.failure_event.message or "no reason is known"
    again = f"The champion goes on serving. Run {run.run_id} can be read, and executed again, in Dagster's UI."
    alert(
        Settings.from_environment(os.environ),
        f"Gatehouse{about}: a run of {run.job_name} failed",
        f"{text}\n\n{again}",
    )


def _reasons(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Why a run failed; empty where it ended without saying so."""
    return [*failed_checks(instance, run_id), *failed_steps(instance, run_id)]


def _former_reasons(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str] | None:
    """Why the same job failed for the same dataset the time before; None if it did not."""
    tags = {DATASET: run.tags[DATASET]} if DATASET in run.tags else None
    ended = dg.RunsFilter(
        job_name=run.job_name, tags=tags, statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    )
    former = instance.get_runs(ended, cursor=run.run_id, limit=1)
    return _reasons(instance, former[0].run_id) if former and former[0].is_failure else None
