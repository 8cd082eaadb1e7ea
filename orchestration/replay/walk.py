"""The walk through the nights: each is run, measured and recorded; an interrupted one resumes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from feature_repo.datasets.canonical import Tables
from feature_repo.errors import InputError
from orchestration.replay.history import check_nights, read_history
from orchestration.replay.home import own_home
from orchestration.replay.measure import measure
from orchestration.replay.nights import run_night, tidy
from orchestration.replay.plan import ReplayPlan, keep_plan
from orchestration.replay.record import Night, Records
from orchestration.replay.strategies import served
from orchestration.replay.versions import Versions
from orchestration.workspace import Workspace


def replay(plan: ReplayPlan, workspace: Workspace, folder: Path, *, echo: Callable[[str], None]) -> list[Night]:
    """Walk through the nights of a plan; those that are over are read from their records.

    Args:
        plan: the replay.
        workspace: names the dataset and its folder.
        folder: folder of the replay.
        echo: told what is done.

    Returns:
        All nights.

    Raises:
        InputError: another replay is in the folder, the data cannot be used or are newer than those it has read, or a
            night lies outside them.
    """
    is_new = not folder.exists()
    keep_plan(plan, folder)
    source, records = folder / "history", Records(folder)
    ahead = [moment for moment in plan.nights if records.read(moment) is None]
    until = ahead[-1] + timedelta(days=plan.every) if ahead else None
    try:
        history = read_history(workspace, source, until)
        check_nights(ahead, history)
    except InputError:
        if is_new:  # else the corrected command would find another replay of its name
            shutil.rmtree(folder)
        raise
    nights: list[Night] = []
    with own_home(folder / "home") as settings:
        versions = Versions(settings, folder / "versions")
        for moment in plan.nights:
            night = records.read(moment)
            if night is None:
                run = run_night(
                    settings,
                    plan,
                    moment,
                    records,
                    versions,
                    dataset=history.schema.dataset,
                    history=source,
                    echo=echo,
                )
                night = _measured(run, nights, history, versions, plan)
                records.write(night)
                versions.keep_only(served([*nights, night]))
                if night.version is not None:
                    tidy(settings, history.schema.dataset)
                echo(_line(night))
            nights.append(night)
    return nights


def _measured(night: Night, before: list[Night], history: Tables, versions: Versions, plan: ReplayPlan) -> Night:
    """Measure what each strategy serves from a night on, and the baselines.

    Args:
        night: the night, run.
        before: the nights before it.
        history: canonical tables of the whole history.
        versions: kept versions.
        plan: the replay.
    """
    numbers = sorted(served([*before, night]))
    end = night.moment + timedelta(days=plan.every)
    metrics, users = measure(history, versions, numbers, night.moment, end, seed=plan.workspace["seed"])
    return replace(night, metrics=metrics, users=users)


def _line(night: Night) -> str:
    """Say how a night went."""
    recall = night.measured(night.champion).get("all/recall@20")
    went = f"version {night.version} {night.outcome}" if night.version else night.note
    serves = f"serves {night.champion}" if night.champion else "nothing serves"
    quality = f", Recall@20 {recall:.4f} on {night.users:,} users" if recall is not None else ""
    return f"{night.moment:%Y-%m-%d}: {went}; {serves}{quality}; {night.seconds:.0f} s"
