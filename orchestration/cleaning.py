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
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock

from feature_repo.events.base_note import loaded_folder
from feature_repo.schema import Schema, stored_name
from feature_repo.store.retention import drop_other_schemas, other_schemas
from orchestration.day_notes import day_folders
from orchestration.local.leftovers import REMOVABLE, forgotten
from orchestration.old_runs import OldRuns, end_dagster_runs, end_trainings, old_runs
from orchestration.workspace import BEGUN
from serving.experiments.read import YAML_NAME, experiments_of
from serving.folder_store import StoredFolder
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.registry import Registry, VersionSummary
from serving.registry.lock import RegistryLock
from serving.registry.sqlite import open_registry
from serving.registry.tags import DATA
from serving.release.mirror import mirror_alias
from serving.release.promotion_lock import check_held, promotion_lock
from serving.release.retention import folders_of, kept_versions, remove
from serving.settings import Settings

AT_WORK = timedelta(days=1)
"""Age up to which a run of another home may be at work on a folder of the bucket."""
VERSION_FOLDER, CHECKPOINTS = re.compile(r"v(\d+)"), "checkpoints_*"


@dataclass(frozen=True, kw_only=True)
class Cleaning(OldRuns):
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
    runs = old_runs(settings, registry, set(kept), now)
    files = (
        *folders,
        *runs.files(settings),
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
        **vars(runs),
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
    with FileLock(settings.home / "cleaning.lock"):  # no other cleaning of this home is at work
        # No version becomes champion meanwhile.
        with promotion_lock(settings, plan.dataset) as lock:
            due = _due(plan, plan_cleaning(settings, plan.dataset, plan.keep, now))
            _remove_versions(settings, due, lock)
            check_held(lock, plan.dataset)
            drop_other_schemas(
                due.dataset,
                due.schemas,
                settings.feast_home,
                online=settings.online_store,
                registry=settings.feature_registry,
            )
        # What takes minutes, for which no rollback has to wait: no champion needs it.
        end_dagster_runs(settings, due)
        for folder in due.stored:
            assert settings.folder_store  # it has named them
            settings.folder_store.remove(folder)


def _remove_versions(settings: Settings, plan: Cleaning, lock: RegistryLock) -> None:
    """Remove versions with what is theirs, trainings that came to none, and folders of the home.

    Many versions on a slow server take longer than a lock counts: once another home has taken it over, any of them may
    have been promoted there.
    """
    if plan.collections:
        mirror_alias(settings, plan.dataset)  # it may lag, and no collection goes that an alias points at
    registry = Registry(settings, plan.dataset)
    with MilvusIndex(settings, Fields(types={})) as index:
        for name in plan.collections:
            check_held(lock, plan.dataset)
            index.drop(name)
    for version in plan.versions:
        check_held(lock, plan.dataset)
        remove(registry, version)
    end_trainings(registry, plan)
    for folder in plan.folders:
        shutil.rmtree(folder, ignore_errors=True)
        folder.unlink(missing_ok=True) if folder.is_file() else None


def _kept(settings: Settings, registry: Registry, keep: int) -> dict[int, str]:
    """Reason by kept version, newest first: those that the release rule keeps, and those of experiments."""
    stored = {each.version for each in _registered(registry)}
    experiments = experiments_of(settings.home / YAML_NAME, registry.dataset)
    named = {version: f"experiment {each.name} names it" for each in experiments for version in each.versions}
    kept = {version: reason for version, reason in named.items() if version in stored}
    return dict(sorted((kept | kept_versions(registry, keep)).items(), reverse=True))


def _due(plan: Cleaning, again: Cleaning) -> Cleaning:
    """Narrow a plan to what is still due: what is needed by now stays."""
    lists = {name: value for name, value in vars(plan).items() if isinstance(value, tuple)}
    still = {name: set(getattr(again, name)) for name in lists}
    due: dict[str, Any] = {name: tuple(each for each in lists[name] if each in still[name]) for name in lists}
    return replace(again, **due)


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
    needed = {each.tags.get(DATA) for each in _registered(registry) if each.version in kept}
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


def _registered(registry: Registry) -> tuple[VersionSummary, ...]:
    """Complete versions, and those that are no use as they are now."""
    listing = registry.listing()
    return (*listing.versions, *listing.aside)


def _current(settings: Settings, dataset: str) -> Iterator[Path]:
    """Folders of the newest runs, of which one may be at work, and of the data that online features stand on."""
    if loaded := loaded_folder(settings.feast_home, dataset):  # the consumer's, and a rollback's
        yield loaded.parent
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
    usable = {each.version for each in registry.versions()}
    for version in kept:
        try:
            texts.append(registry.read_file(version, "schema.json"))
        except FileNotFoundError:
            if version in usable:  # of another, which people registered or damaged, there may be none
                raise
    return {Schema.from_json(text).digest for text in texts}


def _size(folder: Path) -> int:
    """Bytes of a folder, or a file; 0 if it is not there."""
    size = folder.lstat().st_size if folder.is_file() else 0
    for top, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):  # of another process, which has just removed it
                size += (Path(top) / name).lstat().st_size
    return size
