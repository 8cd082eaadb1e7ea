"""Job of a release."""

import dagster as dg

from orchestration.memory import give_back_memory

release_job = dg.define_asset_job(
    "release_job",
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups("experiments", "updates"),
    executor_def=dg.in_process_executor,
    hooks={give_back_memory},  # all steps run in one process
    description="The whole way from the raw log to a judged, and if it passes promoted, release.",
)
