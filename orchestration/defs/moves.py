"""Sensors on the champion: moves by hand, and the Milvus alias that mirrors it.

MLflow's own webhooks would be quicker and miss more: only `mlflow server` sends them, not the client on a database;
a delivery that fails is lost; and no address of the same machine is allowed. A sensor compares states, so nothing
escapes it.
"""

from __future__ import annotations

import json
import os
from typing import Any

import dagster as dg

from feature_repo.utc import present_time
from orchestration.alerts import alert
from orchestration.defs.apart import apart
from orchestration.hand_looks import forget, is_due, noted
from orchestration.local.datasets import dataset_names
from serving.registry.sqlite import is_made, open_registry
from serving.release.by_hand import HandMove, settle, unsettled
from serving.release.mirror import try_to_mirror
from serving.settings import Settings

SECONDS = 30
"""Time between two looks: a move is noticed within a minute."""
LOCK_SECONDS = 5.0
"""Longest wait for a promotion that is at work: Dagster ends a look after a minute."""
CHAMPION = dg.AssetKey("champion")


@dg.sensor(
    minimum_interval_seconds=SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Notices a champion that was moved by hand in MLflow. A version that may serve is followed and"
    " recorded; any other is put back to the last good one. Both are alerted.",
)
def champion_moved(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Settle moves by hand, in every dataset of the home."""
    settings = Settings.from_environment(os.environ)
    told: dict[str, str] = json.loads(context.cursor or "{}")
    now = dict(told)
    said: list[str] = []
    events: list[dg.AssetObservation] = []
    for dataset in datasets(settings):
        # Where a promotion is at work, or something cannot be read, the next look comes.
        with apart(dataset, context.log, said):
            moment, state = present_time(), unsettled(settings, dataset)
            if state and not is_due(settings, dataset, state, moment):
                said.append(told.get(dataset) or f"{dataset}: {state} was looked at, and could not be mended")
                continue
            moved = None
            if state:
                with noted(settings, dataset, state, moment):
                    moved = settle(settings, dataset, LOCK_SECONDS)
            now.pop(dataset, None)
            if moved is None or moved.is_mended:
                forget(settings, dataset)
            if moved is None:
                continue
            said.append(moved.subject())
            events.append(_observed(moved))
            if not moved.is_mended:
                now[dataset] = moved.subject()
            if told.get(dataset) != moved.subject() or moved.is_mended:
                alert(settings, moved.subject(), moved.text())
    return dg.SensorResult(
        skip_reason="; ".join(said) or "every champion is where its last move left it",
        cursor=json.dumps(now),
        asset_events=events,
    )


def datasets(settings: Settings) -> list[str]:
    """Datasets of the home; none while its first run is still making the registry."""
    return dataset_names(settings) if is_made(settings) else []


def _observed(moved: HandMove) -> dg.AssetObservation:
    """Observation of a move by hand, for the page of the champion."""
    facts: dict[str, Any] = {"dataset": moved.dataset, "champion": moved.champion or 0}
    facts |= {"override": moved.override} if moved.override else {}
    return dg.AssetObservation(CHAMPION, metadata={**facts, "what": moved.subject(), "why": moved.text()})


@dg.sensor(
    minimum_interval_seconds=SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Points the Milvus alias of each dataset, for readers outside Gatehouse, at the champion's collection.",
)
def milvus_alias(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Mirror the champions in Milvus."""
    settings = Settings.from_environment(os.environ)
    done: dict[str, int] = json.loads(context.cursor or "{}")
    is_server = "://" in settings.milvus_uri
    said: list[str] = []
    for dataset in datasets(settings):
        with apart(dataset, context.log, said):
            champion = open_registry(settings, dataset).champion()
            # Nobody else moves an alias in Milvus Lite, and a look would hold its folder.
            if champion is None or (done.get(dataset) == champion and not is_server):
                continue
            problem = try_to_mirror(settings, dataset)
            if problem:
                said.append(f"{dataset}: {problem}")
                done.pop(dataset, None)
            else:
                done[dataset] = champion
    return dg.SensorResult(skip_reason="; ".join(said) or "every alias follows its champion", cursor=json.dumps(done))
