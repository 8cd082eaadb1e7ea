"""Daily partitions: the training set of any day of the past, as it was computed that night."""

import os
from datetime import date, datetime, time, timedelta
from typing import Any

import dagster as dg

from feature_repo.errors import InputError
from orchestration.local.datasets import known
from orchestration.memory import give_back_memory
from serving.settings import Settings

FIRST_DAY = "2000-01-01"
"""First day that can be asked for; a day before the log of a dataset is refused with the reason."""
TRAINING = ("events", "users", "items", "user_features", "item_features", "training_set")
"""Assets of a training set. Nothing else depends on the day alone."""


def run_config_of(day: str) -> dict[str, Any]:
    """Config of the run of a day, an ISO date: the dataset of the home's last run, as of the end of that day.

    Raises:
        InputError: the home has no dataset yet.
    """
    settings = Settings.from_environment(os.environ)
    noted, current = known(settings), settings.home / "current"
    if not noted:
        raise InputError(f"nothing was run in {settings.home} yet, so no dataset is known: `gatehouse run` comes first")
    options = noted[current.read_text(encoding="utf-8").strip()]
    end = datetime.combine(date.fromisoformat(day) + timedelta(days=1), time.min)
    # Beside the data of the newest version, those of the past have lost events.
    past = {"past": True, "as_of": end.isoformat(), "accept_data": True}
    return {"resources": {"workspace": {"config": options | past}}}


days = dg.PartitionedConfig(
    partitions_def=dg.DailyPartitionsDefinition(start_date=FIRST_DAY), run_config_for_partition_key_fn=run_config_of
)
training_days = dg.define_asset_job(
    "training_days",
    selection=dg.AssetSelection.assets(*TRAINING),
    config=days,
    executor_def=dg.in_process_executor,
    hooks={give_back_memory},
    description="Tables, features and training set of a day, of what was known at its end: the same bytes whenever they"
    " are computed. A late file changes the days on which its events were known, and no other.",
)
