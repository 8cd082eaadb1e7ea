"""Definitions of assets, checks, jobs and resources, as Dagster loads them."""

from __future__ import annotations

import dagster as dg

from orchestration.asset_values import json_io_manager
from orchestration.defs import (
    automation,
    backfill,
    champion_check,
    champion_jobs,
    checks,
    cleanings,
    drift,
    experiments,
    features,
    index,
    killed,
    late_days,
    looks,
    moves,
    new_data,
    refit,
    release,
    replay,
    schedules,
    staleness,
    training,
    updates,
    watch,
)
from orchestration.reporting.terminal import terminal_logger
from orchestration.workspace import Workspace

defs = dg.Definitions(
    assets=[
        *looks.dressed_assets([features, training, index, release, refit, updates, experiments]),
        looks.dressed(replay.replay_report),
    ],
    asset_checks=dg.load_asset_checks_from_modules([checks]),
    jobs=[
        automation.release_job,
        updates.update_job,
        backfill.training_days,
        replay.replay_job,
        champion_jobs.promote_job,
        champion_jobs.rollback_job,
        cleanings.cleaning_job,
    ],
    schedules=[schedules.nightly, schedules.weekly, schedules.half_hourly, cleanings.cleaning],
    sensors=[
        moves.champion_moved,
        champion_check.champion_overrides,
        moves.milvus_alias,
        new_data.new_files,
        new_data.sealed_events,
        watch.verdicts,
        watch.failed_runs,
        watch.unsent_alerts,
        staleness.stale,
        drift.drifted,
        late_days.late_days,
        killed.killed_runs,
    ],
    resources={"workspace": Workspace(), "io_manager": json_io_manager},
    executor=dg.in_process_executor,
    loggers={"terminal": terminal_logger, "console": dg.colored_console_logger},
)
