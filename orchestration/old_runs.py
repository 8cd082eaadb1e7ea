"""Runs that a cleaning removes or ends, in MLflow and in Dagster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestration.dagster_runs import delete_runs, end_runs, files_of_run, silent_runs, unneeded_runs
from orchestration.local.datasets import dataset_names
from orchestration.local.leftovers import is_at_work
from serving.registry import Registry, TrainingRun
from serving.registry.sqlite import open_registry
from serving.release.retention import (
    failed_trainings,
    folders_of_training,
    killed_trainings,
    remove_training,
)
from serving.settings import Settings


@dataclass(frozen=True, kw_only=True)
class OldRuns:
    """Runs to remove, and those to end."""

    trainings: tuple[TrainingRun, ...]
    """MLflow runs of trainings that failed long ago and came to no version."""
    killed: tuple[TrainingRun, ...]
    """MLflow runs of killed trainings, which would say for good that they run: they are ended."""
    runs: tuple[str, ...]
    """Runs of Dagster that ended long ago, and of which no version is kept, of all datasets."""
    silent: tuple[str, ...]
    """Runs of Dagster that say that they are at work and were killed: they are ended."""

    def files(self, settings: Settings) -> Iterator[Path]:
        """Files and folders on this machine that are theirs."""
        yield from (folder for training in self.trainings for folder in folders_of_training(training))
        yield from (path for run in self.runs for path in files_of_run(settings, run))

    def lines(self, *, done: bool) -> Iterator[str]:
        """Word what was done, or would be."""
        if self.runs:
            verb = "removed" if done else "would remove"
            yield f"{verb} {len(self.runs):,} runs of Dagster, with their events and logs"
        ended = [f"training {each.id} of MLflow" for each in self.killed]
        ended += [f"run {each} of Dagster" for each in self.silent]
        if ended:
            yield f"{'ended' if done else 'would end'} what was killed, and says that it runs: {', '.join(ended)}"


def old_runs(settings: Settings, registry: Registry, kept: set[int], now: datetime) -> OldRuns:
    """List the runs that a cleaning of a dataset removes or ends.

    Args:
        settings: the home.
        registry: registry of the dataset.
        kept: its kept versions.
        now: present time (UTC, with zone).
    """
    today, work = now.replace(tzinfo=None), is_at_work(settings, registry.dataset)
    return OldRuns(
        trainings=tuple(failed_trainings(registry, today)),
        killed=() if work else tuple(killed_trainings(registry, today)),
        runs=unneeded_runs(settings, _runs_of_versions(settings, registry.dataset, kept), now),
        silent=silent_runs(settings, now),
    )


def end_trainings(registry: Registry, old: OldRuns) -> None:
    """Remove and end runs in MLflow."""
    for training in old.trainings:
        remove_training(registry, training)
    for training in old.killed:
        registry.end_training(training.id)


def end_dagster_runs(settings: Settings, old: OldRuns) -> None:
    """Remove and end runs in Dagster; a thousand take a minute."""
    end_runs(settings, old.silent)
    delete_runs(settings, old.runs)


def _runs_of_versions(settings: Settings, dataset: str, kept: set[int]) -> set[str]:
    """Runs of Dagster that versions are of: the kept ones of a dataset, and those of all others."""
    names = {dataset, *dataset_names(settings)}
    trainings = [(name, each) for name in names for each in open_registry(settings, name).trainings()]
    return {
        each.dagster_run
        for name, each in trainings
        if each.dagster_run and each.version is not None and (name != dataset or each.version in kept)
    }
