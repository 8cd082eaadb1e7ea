"""Jobs and schedules."""

import dagster as dg

from orchestration.memory import give_back_memory

release_job = dg.define_asset_job(
    "release_job",
    selection=dg.AssetSelection.all(),
    executor_def=dg.in_process_executor,
    hooks={give_back_memory},  # all steps run in one process
    description="The whole way from the raw log to a judged, and if it passes promoted, release.",
)

nightly = dg.ScheduleDefinition(
    name="nightly",
    job=release_job,
    cron_schedule="0 3 * * *",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Nightly at three (UTC). The same input gives the same version, new data a challenger.",
)
