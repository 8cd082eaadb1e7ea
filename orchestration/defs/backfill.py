"""Daily partitions: the training set of any day of the past, as it was computed that night."""

import os
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import dagster as dg
import polars as pl

from feature_repo.errors import InputError
from orchestration.asset_files import data_folder, folder_sha256
from orchestration.asset_values import json_io_manager
from orchestration.day_notes import digest_at, digests_by_day, note_day
from orchestration.defs.checks import data_expectations, item_expectations, user_expectations
from orchestration.defs.features import item_features, source, user_features
from orchestration.defs.training import training_set
from orchestration.local.datasets import known
from orchestration.memory import give_back_memory
from orchestration.workspace import Workspace
from serving.settings import Settings

FIRST_DAY = "2000-01-01"
"""First day that can be asked for; a day before the log of a dataset is refused with the reason."""
ASSETS = (source, user_features, item_features, training_set, data_expectations, user_expectations, item_expectations)
"""Assets of a training set, with their checks. Nothing else depends on the day alone."""


def run_config_of(day: str) -> dict[str, Any]:
    """Config of the run of a day, an ISO date: the dataset of the home's last run, as of the end of that day.

    Raises:
        InputError: the home has no dataset yet.
    """
    settings = Settings.from_environment(os.environ)
    noted, current = known(settings), settings.home / "current"
    if not noted:
        raise InputError(f"nothing was run in {settings.home} yet, so no dataset is known: `gatehouse run` comes first")
    return day_config(noted[current.read_text(encoding="utf-8").strip()], day)


def day_config(options: Mapping[str, Any], day: str) -> dict[str, Any]:
    """Config of the run of a day for a dataset.

    Args:
        options: options of its last run.
        day: ISO date.
    """
    end = datetime.combine(date.fromisoformat(day) + timedelta(days=1), time.min)
    # Beside the data of the newest version, those of the past have lost events.
    past = {"past": True, "as_of": end.isoformat(), "accept_data": True}
    return {"resources": {"workspace": {"config": {**options, **past}}}}


days = dg.PartitionedConfig(
    partitions_def=dg.DailyPartitionsDefinition(start_date=FIRST_DAY), run_config_for_partition_key_fn=run_config_of
)


@dg.op(out=dg.Out(dg.Nothing))
def training_day(context: dg.OpExecutionContext, workspace: Workspace) -> Iterator[dg.Output[None]]:
    """Compute tables, features and training set of a day.

    In an instance of its own, so that the pages of the assets go on showing the release.
    """
    resources = {"workspace": workspace, "io_manager": json_io_manager}
    with dg.DagsterInstance.ephemeral() as own:
        frames = dg.materialize(ASSETS, resources=resources, instance=own).asset_value("training_set")
    sha256 = folder_sha256(frames.folder)
    digests = digests_by_day(pl.read_parquet(frames.source.folder / "events.parquet"))
    day = (frames.source.as_of - timedelta(days=1)).date()
    note_day(workspace.values_folder, day.isoformat(), digest_at(digests, day), data_folder(frames.source))
    context.log.info(f"training set of {frames.source.dataset} as of {frames.source.as_of}: {sha256}")
    facts = {"dataset": frames.source.dataset, "as of": str(frames.source.as_of), "sha256": sha256}
    yield dg.Output(None, metadata=facts | {"path": dg.MetadataValue.path(str(frames.folder))})


@dg.job(
    config=days,
    executor_def=dg.in_process_executor,
    hooks={give_back_memory},
    description="Tables, features and training set of a day, of what was known at its end: the same bytes whenever they"
    " are computed. A late file changes the days on which its events were known, and no other.",
)
def training_days() -> None:
    """Compute one day; a backfill asks for many."""
    training_day()
