"""Sensor that computes days of the past again whose events came late."""

import json
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from orchestration.asset_values import Source
from orchestration.day_notes import DayNote, digest_at, digests_by_day, read_notes
from orchestration.defs.apart import apart
from orchestration.defs.backfill import day_config, training_days
from orchestration.defs.switch import sensor_status
from orchestration.local.datasets import known
from orchestration.workspace import Workspace
from serving.settings import Settings


@dg.sensor(
    job=training_days,
    minimum_interval_seconds=30,
    default_status=sensor_status(),
    description="Asks once for each day of `training_days` that was computed before events came late which were known"
    " at its end, by the data of the newest run.",
)
def late_days(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Ask for the days of each dataset that the data of its newest run have re-opened."""
    settings = Settings.from_environment(os.environ)
    former: dict[str, str] = json.loads(context.cursor or "{}")
    seen: dict[str, str] = {}
    asked: list[dg.RunRequest] = []
    said: list[str] = []
    for name, options in known(settings).items():
        seen |= {name: former[name]} if name in former else {}
        with apart(name, context.log, said):
            path = Workspace(**options).values_folder / "events.json"
            notes = _older_notes(options, path)
            if not notes:
                said.append(f"{name}: no day was computed before the newest run")
                continue
            source = Source.model_validate_json(path.read_text(encoding="utf-8"))
            state = f"{source.folder} {path.stat().st_mtime_ns}"
            if former.get(name) != state:
                found = reopened(source, notes)
                asked += [_request(name, options, day, digest) for day, digest in found.items()]
                said += [] if found else [f"{name}: no event came late"]
            seen[name] = state
    why = "; ".join(said) or "no run has read newer data"
    return dg.SensorResult(run_requests=asked, skip_reason=None if asked else why, cursor=json.dumps(seen))


def _older_notes(options: Mapping[str, Any], source: Path) -> list[DayNote]:
    """Notes on days that were computed before the newest run has read its data; a later one knew more than that run.

    Args:
        options: options of the dataset's last run.
        source: value of the newest run's data.
    """
    if not source.exists():
        return []
    read = source.stat().st_mtime
    return [each for each in read_notes(Workspace(**options, past=True).values_folder) if each.written < read]


def reopened(source: Source, notes: list[DayNote]) -> dict[str, str]:
    """Days whose events are others by now, with the digest of these.

    A day after the end of the data is none: the newest run has read only a part of it.

    Args:
        source: data of the newest run.
        notes: what the days were computed from.
    """
    digests = digests_by_day(pl.read_parquet(source.folder / "events.parquet"))
    days = {each.day: (each.events, digest_at(digests, date.fromisoformat(each.day))) for each in notes}
    whole = source.as_of.date()
    return {day: now for day, (then, now) in days.items() if now != then and date.fromisoformat(day) < whole}


def _request(dataset: str, options: Mapping[str, Any], day: str, digest: str) -> dg.RunRequest:
    """Ask for a day, once for the same events.

    Args:
        dataset: name of the dataset.
        options: options of its last run.
        day: ISO date.
        digest: digest of the events.
    """
    return dg.RunRequest(run_key=f"{dataset} {day} {digest}", partition_key=day, run_config=day_config(options, day))
