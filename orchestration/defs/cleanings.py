"""Cleaning by itself: each night what no kept version needs goes, by the rule of `gatehouse clean`."""

import os
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from orchestration.cleaning import clean, plan_cleaning
from orchestration.cleaning_text import cleaning_text
from orchestration.dagster_runs import end_runs, silent_runs
from orchestration.defs.apart import apart
from orchestration.defs.new_data import at_work
from orchestration.defs.switch import schedule_status
from orchestration.local.datasets import dataset_names
from orchestration.local.leftovers import is_at_work
from serving.settings import Settings
from serving.variables import KEEP, NO_CLEANING


class Keeping(dg.Config):
    """Number of versions that a cleaning keeps."""

    keep: int | None = Field(
        default=None, ge=1, description="Number of newest versions to keep, and of newest updates [GATEHOUSE_KEEP]."
    )


@dg.op(description="Removes what no kept version needs, as `gatehouse clean` does, of every dataset of the home.")
def remove_unneeded(context: dg.OpExecutionContext, config: Keeping) -> None:
    """Clean every dataset that no run is at work on; the others wait for the next night."""
    settings = Settings.from_environment(os.environ)
    keep, failed = config.keep or settings.keep or KEEP, list[str]()
    # First, for a dataset whose run was killed would else wait for its end for good.
    end_runs(settings, silent_runs(settings, datetime.now(UTC)))
    for name in dataset_names(settings):
        if is_at_work(settings, name) or at_work(context.instance, name):
            context.log.info(f"{name}: a run is at work: it is cleaned the next time")
            continue
        with apart(name, context.log, failed):
            now = datetime.now(UTC)
            plan = plan_cleaning(settings, name, keep, now)
            clean(settings, plan, now)
            context.log.info(f"{name}\n{cleaning_text(plan, done=True)}")
    if failed:
        raise dg.Failure("; ".join(failed))


@dg.job(
    executor_def=dg.in_process_executor,
    description="Remove old versions with all that is theirs, and old runs, of every dataset of the home.",
)
def cleaning_job() -> None:
    """Clean the home."""
    remove_unneeded()


@dg.schedule(
    job=cleaning_job,
    cron_schedule="15 2 * * *",
    default_status=schedule_status(),
    description="Nightly at a quarter past two (UTC), before the releases: what no kept version needs is removed.",
)
def cleaning(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for a cleaning, unless it is off."""
    if Settings.from_environment(os.environ).keep is None:
        return dg.SkipReason(f"GATEHOUSE_KEEP={NO_CLEANING}")
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())
