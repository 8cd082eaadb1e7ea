"""Jobs and schedules."""

import os
from collections.abc import Iterator

import dagster as dg

from orchestration.local.datasets import known
from orchestration.memory import give_back_memory
from serving.settings import Settings

release_job = dg.define_asset_job(
    "release_job",
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups("experiments"),
    executor_def=dg.in_process_executor,
    hooks={give_back_memory},  # all steps run in one process
    description="The whole way from the raw log to a judged, and if it passes promoted, release.",
)


@dg.schedule(
    job=release_job,
    cron_schedule="0 3 * * *",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Nightly at three (UTC): every dataset of the home, with the folder and options of its last run. The "
    "same input gives the same version, new data a challenger.",
)
def nightly(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Ask for a run of every dataset that this home has run."""
    datasets = known(Settings.from_environment(os.environ))
    if not datasets:
        yield dg.SkipReason("nothing was run in this home yet: `gatehouse run` comes first")
    for name, options in datasets.items():
        yield dg.RunRequest(
            run_key=f"{name} {context.scheduled_execution_time.isoformat()}",  # of one tick, each dataset once
            run_config={"resources": {"workspace": {"config": options}}},
            tags={"gatehouse/dataset": name},
        )
