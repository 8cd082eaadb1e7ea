"""Removal of what no kept version needs.

Versions, collections, folders, online views, runs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from feature_repo.schema import Schema, stored_name
from feature_repo.store.retention import drop_other_schemas, other_schemas
from orchestration.dagster_runs import delete_runs, end_runs, files_of_run, silent_runs, unneeded_runs
from orchestration.day_notes import day_folders
from orchestration.local.datasets import dataset_names
from orchestration.local.leftovers import REMOVABLE, forgotten, is_at_work
from orchestration.workspace import BEGUN
from serving.experiments.read import YAML_NAME, experiments_of
from serving.folder_store import StoredFolder
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.registry import Registry, TrainingRun
from serving.registry.sqlite import open_registry
from serving.registry.tags import DATA
from serving.release.mirror import mirror_alias
from serving.release.promotion_lock import promotion_lock
from serving.release.retention import (
    failed_trainings,
    folders_of,
    folders_of_training,
    kept_versions,
    killed_trainings,
    remove,
    remove_training,
)
from serving.settings import Settings

T = TypeVar("T")
AT_WORK = timedelta(days=1)
"""Age up to which a run of another home may be at work on a folder of the bucket."""
VERSION_FOLDER, CHECKPOINTS = re.compile(r"v(\d+)"), "checkpoints_*"


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """Versions of a dataset to keep, and everything to remove."""

    dataset: str
    keep: int
    """Number of newest versions to keep."""
    kept: dict[int, str]
    """Reason by kept version."""
    versions: tuple[int, ...]
    """Versions that are removed from the registry, with their files; those of killed trainings too."""
    collections: tuple[str, ...]
    """Collections of the index that are dropped."""
    folders: tuple[Path, ...]
    """Folders of the home that are deleted, and what killed processes left half-written."""
    stored: tuple[Path, ...]
    """Folders of the bucket of the data that are deleted, by their paths in the home."""
    schemas: tuple[str, ...]
    """Digests of schemas whose online features are dropped."""
    trainings: tuple[TrainingRun, ...]
    """MLflow runs of trainings that failed long ago and came to no version."""
    killed: tuple[TrainingRun, ...]
    """MLflow runs of killed trainings, which would say for good that they run: they are ended."""
    runs: tuple[str, ...]
    """Runs of Dagster that ended long ago, and of which no version is kept, of all datasets."""
    silent: tuple[str, ...]
    """Runs of Dagster that say that they are at work and were killed: they are ended."""
    bytes: int
    """Size on this machine of all that is removed, but for rows of databases."""
    stored_bytes: int
    """Size in the bucket of the data of all that is removed."""


def plan_cleaning(settings: Settings, dataset: str, keep: int, now: datetime | None = None) -> Cleaning:
    """Decide what is removed; nothing is changed.

    Args:
        settings: the home and its services.
        dataset: the dataset.
        keep: number of newest versions to keep.
        now: present time (UTC, with zone); by default that of this machine.
    """
    now = now or datetime.now(UTC)
    registry = open_registry(settings, dataset)
    kept, listing = _kept(settings, registry, keep), registry.listing()
    with MilvusIndex(settings, Fields(types={})) as index:
        stored = index.names()
    folders = (*_folders(settings, dataset, set(kept)), *forgotten(settings, now))
    versions = (
        *(each.version for each in listing.versions if each.version not in kept),
        *(version for version, since in listing.interrupted.items() if since.replace(tzinfo=UTC) < now - REMOVABLE),
    )
    stored_folders = _stored(settings, dataset, registry, set(kept), now)
    collections = tuple(name for name in stored if _is_unkept(name, dataset, set(kept)))
    today = now.replace(tzinfo=None)
    trainings = tuple(failed_trainings(registry, today))
    runs = unneeded_runs(settings, _runs_of_versions(settings, dataset, set(kept)), now)
    files = (
        *folders,
        *(folder for training in trainings for folder in folders_of_training(training)),
        *(path for run in runs for path in files_of_run(settings, run)),
        *(folder for version in versions for folder in folders_of(registry, version)),
        *(settings.milvus_folder / "collections" / name for name in collections),
    )
    return Cleaning(
        dataset=dataset,
        keep=keep,
        kept=kept,
        versions=versions,
        collections=collections,
        folders=folders,
        stored=tuple(each.path for each in stored_folders),
        schemas=tuple(
            other_schemas(
                dataset, _digests(settings, registry, kept), settings.feast_home, registry=settings.feature_registry
            )
        ),
        trainings=trainings,
        killed=() if is_at_work(settings, dataset) else tuple(killed_trainings(registry, today)),
        runs=runs,
        silent=silent_runs(settings, now),
        bytes=sum(map(_size, files)),
        stored_bytes=sum(each.bytes for each in stored_folders),
    )


def clean(settings: Settings, plan: Cleaning, now: datetime | None = None) -> None:
    """Remove what a plan names, but for what has been promoted, made or removed since.

    A second call completes one that was interrupted.

    Args:
        settings: the home and its services.
        plan: what was planned.
        now: present time (UTC, with zone); by default that of this machine.
    """
    # No version becomes champion meanwhile, and no other cleaning is at work.
    with promotion_lock(settings, plan.dataset):
        again = plan_cleaning(settings, plan.dataset, plan.keep, now)
        if _both(plan.collections, again.collections):
            mirror_alias(settings, plan.dataset)  # it may lag, and no collection goes that an alias points at
        registry = Registry(settings, plan.dataset)
        with MilvusIndex(settings, Fields(types={})) as index:
            for name in _both(plan.collections, again.collections):
                index.drop(name)
        for version in _both(plan.versions, again.versions):
            remove(registry, version)
        for training in _both(plan.trainings, again.trainings):
            remove_training(registry, training)
        for training in _both(plan.killed, again.killed):
            registry.end_training(training.id)
        delete_runs(settings, _both(plan.runs, again.runs))
        end_runs(settings, _both(plan.silent, again.silent))
        for folder in _both(plan.folders, again.folders):
            shutil.rmtree(folder, ignore_errors=True)
            folder.unlink(missing_ok=True) if folder.is_file() else None
        for folder in _both(plan.stored, again.stored):
            assert settings.folder_store  # it has named them
            settings.folder_store.remove(folder)
        schemas = _both(plan.schemas, again.schemas)
        drop_other_schemas(
            plan.dataset, schemas, settings.feast_home, online=settings.online_store, registry=settings.feature_registry
        )


def _kept(settings: Settings, registry: Registry, keep: int) -> dict[int, str]:
    """Reason by kept version, newest first: those that the release rule keeps, and those of experiments."""
    stored = {each.version for each in registry.versions()}
    experiments = experiments_of(settings.home / YAML_NAME, registry.dataset)
    named = {version: f"experiment {each.name} names it" for each in experiments for version in each.versions}
    kept = {version: reason for version, reason in named.items() if version in stored}
    return dict(sorted((kept | kept_versions(registry, keep)).items(), reverse=True))


def _runs_of_versions(settings: Settings, dataset: str, kept: set[int]) -> set[str]:
    """Runs of Dagster that versions are of: the kept ones of a dataset, and those of all others."""
    names = {dataset, *dataset_names(settings)}
    trainings = [(name, each) for name in names for each in open_registry(settings, name).trainings()]
    return {
        each.dagster_run
        for name, each in trainings
        if each.dagster_run and each.version is not None and (name != dataset or each.version in kept)
    }


def _both(planned: tuple[T, ...], now: tuple[T, ...]) -> list[T]:
    return [each for each in planned if each in now]


def _is_unkept(collection: str, dataset: str, kept: set[int]) -> bool:
    match = re.fullmatch(rf"{re.escape(stored_name(dataset))}_items_v(\d+)", collection)
    return match is not None and int(match.group(1)) not in kept


def _folders(settings: Settings, dataset: str, kept: set[int]) -> Iterator[Path]:
    """Folders of derived data that neither a kept version, the newest run nor a day of the past needs."""
    current = {*_current(settings, dataset), *day_folders(settings.home / "values", dataset)}
    for folder in sorted((settings.data_folder / dataset).glob("*/")):
        named = {path: VERSION_FOLDER.fullmatch(path.name) for path in folder.glob("v*")}
        versions = {path: int(match.group(1)) for path, match in named.items() if match}
        if folder not in current and not kept.intersection(versions.values()):
            yield folder
            continue
        yield from (path for path, version in versions.items() if version not in kept and folder not in current)
        if folder not in current:
            yield from folder.glob(CHECKPOINTS)


def _stored(settings: Settings, dataset: str, registry: Registry, kept: set[int], now: datetime) -> list[StoredFolder]:
    """Folders of the bucket that neither a kept version, a run nor a day of the past needs.

    Args:
        settings: the home, and the bucket.
        dataset: the dataset.
        registry: its registry.
        kept: kept versions.
        now: present time (UTC, with zone).
    """
    if settings.folder_store is None:
        return []
    needed = {each.tags.get(DATA) for each in registry.versions() if each.version in kept}
    named = {path: VERSION_FOLDER.fullmatch(path.name) for path in (settings.data_folder / dataset).glob("*/v*")}
    needed |= {path.parent.name for path, match in named.items() if match and int(match.group(1)) in kept}
    needed |= {folder.name for folder in _current(settings, dataset)}
    needed |= {folder.name for folder in day_folders(settings.home / "values", dataset)}
    # A run of another home may be at work on what is new.
    before = now - AT_WORK
    return [
        each
        for each in settings.folder_store.folders(dataset)
        if each.path.name not in needed and each.changed < before
    ]


def _current(settings: Settings, dataset: str) -> Iterator[Path]:
    """Folders of the newest runs, of which one may be at work."""
    for events in (settings.home / "values").glob("*/events.json"):
        value = json.loads(events.read_text(encoding="utf-8"))
        if value["dataset"] == dataset:
            yield Path(value["folder"]).parent
    for note in (settings.home / "values").glob(f"*/{BEGUN}"):
        folder = Path(note.read_text(encoding="utf-8"))
        if folder.parent.name == dataset:
            yield folder


def _digests(settings: Settings, registry: Registry, kept: dict[int, str]) -> set[str]:
    """Digests of the schemas of the kept versions and of the newest runs."""
    schemas = [folder / "source" / "schema.json" for folder in _current(settings, registry.dataset)]
    texts = [path.read_text() for path in schemas if path.exists()]  # a run that has just begun has none
    return {Schema.from_json(text).digest for text in (*texts, *(registry.read_file(v, "schema.json") for v in kept))}


def _size(folder: Path) -> int:
    """Bytes of a folder, or a file; 0 if it is not there."""
    size = folder.lstat().st_size if folder.is_file() else 0
    for top, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # of another process, which has just removed it
                size += (Path(top) / name).lstat().st_size
    return size


def cleaning_text(plan: Cleaning, *, done: bool) -> str:
    """Word what was removed, or would be, and why the rest is kept."""
    verb = "removed" if done else "would remove"
    kept = [f"keeps v{version}: {reason}" for version, reason in plan.kept.items()]
    parts = {
        "versions": [f"v{version}" for version in plan.versions],
        "collections": plan.collections,
        "folders": list(map(str, plan.folders)),
        "folders of the bucket": [f"{folder.parent.name}/{folder.name}" for folder in plan.stored],
        "online features of the schemas": plan.schemas,
        "failed trainings": [each.id for each in plan.trainings],
    }
    gone = [f"{verb} {what}: {', '.join(names)}" for what, names in parts.items() if names]
    if plan.runs:
        gone.append(f"{verb} {len(plan.runs):,} runs of Dagster, with their events and logs")
    ended = [f"training {each.id} of MLflow" for each in plan.killed] + [
        f"run {each} of Dagster" for each in plan.silent
    ]
    if ended:
        gone.append(f"{'ended' if done else 'would end'} what was killed, and says that it runs: {', '.join(ended)}")
    size = f"{plan.bytes / 1e6:,.1f} MB on this machine"
    size += f", {plan.stored_bytes / 1e6:,.1f} MB in the bucket" if plan.stored else ""
    return "\n".join([*kept, *(gone or ["nothing to remove"]), size])
