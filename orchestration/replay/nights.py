"""One night of a replay: the pipeline as production runs it, on what was known then."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from feature_repo.errors import InputError
from orchestration.asset_values import Judged
from orchestration.cleaning import clean, plan_cleaning
from orchestration.local.home import dagster_instance
from orchestration.pipeline import CheckError, run_pipeline
from orchestration.replay.plan import ReplayPlan
from orchestration.replay.record import FULL, UPDATE, Night, Records
from orchestration.replay.versions import Versions
from serving.registry import Registry
from serving.release.manifest import read
from serving.settings import Settings

REFIT = "refit"
"""Step of the refit."""
KEEP = 2
"""Newest versions that stay in the home, beside the champion."""


def run_night(
    settings: Settings,
    plan: ReplayPlan,
    moment: datetime,
    records: Records,
    versions: Versions,
    *,
    dataset: str,
    history: Path,
    echo: Callable[[str], None],
) -> Night:
    """Train, judge and, if the gate passes it, promote what a night would have.

    Args:
        settings: home of the replay.
        plan: the replay.
        moment: the night.
        records: records of the nights.
        versions: kept versions.
        dataset: name of the dataset.
        history: folder of its canonical tables.
        echo: told what the night does.
    """
    registry = Registry(settings, dataset)
    champion = registry.champion()
    kind = FULL if champion is None or plan.is_full(moment) else UPDATE
    kind, parent = records.begin(moment, kind, champion)
    then = {"past": True, "as_of": moment.isoformat(), "now": moment.isoformat()}
    options = {**plan.workspace, **then, "history": str(history)}
    if kind == UPDATE:
        options["update"] = str(parent)
    started = time.perf_counter()
    echo(f"{moment:%Y-%m-%d}: {kind}")
    try:
        judged = run_pipeline(options, quiet=True)
    except (CheckError, InputError) as error:
        # As in production: the champion goes on serving. An update without a new day to learn from ends here too.
        seconds = time.perf_counter() - started
        return Night(moment=moment, kind=kind, champion=champion, note=str(error), seconds=seconds)
    seconds = time.perf_counter() - started
    versions.keep(judged.version)
    refitted = _refitted(registry, judged)
    if refitted is not None:
        versions.keep(judged.version, refitted)
    outcome = read(registry, judged.version.version).verdict.outcome.value
    return Night(
        moment=moment,
        kind=kind,
        version=judged.version.version,
        outcome=outcome,
        champion=registry.champion(),
        refitted=refitted,
        seconds=seconds,
        refit_seconds=_refit_seconds(),
    )


def _refit_seconds() -> float:
    """Seconds of the refit in the run that is over, which is the newest: nothing else runs in this home."""
    with dagster_instance() as instance:
        run = instance.get_run_records(limit=1)[0].dagster_run.run_id
        [step] = instance.get_run_step_stats(run, [REFIT])
    if step.start_time is None or step.end_time is None:
        raise RuntimeError(f"Dagster's run {run} has passed, and its step {REFIT} has no times")
    return step.end_time - step.start_time


def _refitted(registry: Registry, judged: Judged) -> int | None:
    """Version that the run has refitted to the newest events: the champion, if that is newer than what was judged."""
    champion = registry.champion()
    return champion if champion is not None and champion > judged.version.version else None


def tidy(settings: Settings, dataset: str) -> None:
    """Remove what the next night does not need: old versions, and the data of nights that are over."""
    clean(settings, plan_cleaning(settings, dataset, KEEP))
    for folder in (settings.home / "data" / dataset).glob("*/"):
        for name in ("source", "features*", "training_set*"):
            for derived in folder.glob(name):
                shutil.rmtree(derived, ignore_errors=True)
