"""Rule of which versions are kept, and the removal of the others."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from serving.one_line import one_line
from serving.registry import PARENT, Listing, Registry, TrainingRun, VersionSummary
from serving.registry.holder import holder
from serving.registry.override import SHOWN
from serving.registry.tags import BASE
from serving.release.history import may_serve, predecessors
from serving.release.judged_twin import is_refit

HALTED_FOR, FAILED_FOR = timedelta(hours=1), timedelta(days=30)
"""Age from which on nobody can be at work on what is not complete, and for which a failed training is kept."""
ELSEWHERE_FOR = timedelta(days=7)
"""The same age for a training of another home, whose work is not seen here; that of a pod is one."""
PINNED = "gatehouse.pinned"
"""Tag of a version that is kept whatever its age; its value says why."""


def kept_versions(registry: Registry, keep: int) -> dict[int, str]:
    """Decide which versions are kept, with the reason, newest first: complete ones, and those that are no use now.

    Args:
        registry: registry of the dataset.
        keep: number of newest versions to keep, and of newest updates: there are many between two releases.
    """
    listing = registry.listing()
    # One may serve, or be mended: a run that was deleted in MLflow is restored there.
    reasons = {each.version: "set aside: `gatehouse releases` says why" for each in listing.aside}
    reasons |= _own_reasons(registry, listing, keep)
    there = {each.version: each.tags for each in (*listing.versions, *listing.aside)}
    # The half-hourly update starts from the base of the champion.
    bases = {int(tags[BASE]): version for version, tags in there.items() if BASE in tags and reasons[version]}
    for base, version in bases.items():
        reasons[base] = reasons.get(base) or f"base of version {version}"
    # The next challenger is compared with the twin, and `--update champion` starts from it.
    twins = {int(tags[PARENT]): version for version, tags in there.items() if is_refit(tags) and reasons[version]}
    for twin, version in twins.items():
        reasons[twin] = reasons.get(twin) or f"judged twin of version {version}"
    return {version: reasons[version] for version in sorted(there, reverse=True) if reasons[version]}


def _own_reasons(registry: Registry, listing: Listing, keep: int) -> dict[int, str]:
    """Reason by complete version, apart from what others need of it; empty for none."""
    # Somewhere to go back to, however long the champion has served.
    able = {each.version for each in listing.versions if may_serve(each.tags)}
    target = next((version for version in predecessors(registry) if version in able), None)
    newer: Counter[bool] = Counter()
    reasons = {}
    for each in listing.versions:
        reasons[each.version] = _reason(each, newer[_is_update(each)], keep, target)
        newer[_is_update(each)] += 1
    return reasons


def pin(registry: Registry, version: int, reason: str) -> None:
    """Keep a version whatever its age. LookupError if there is no such version."""
    registry.tags(version)  # MLflow's own error would tell of a service that is away
    registry.set_tags(version, {PINNED: one_line(reason, SHOWN)})


def unpin(registry: Registry, version: int) -> None:
    """Let a version be removed again. LookupError if there is no such version."""
    if PINNED in registry.tags(version):
        registry.remove_tag(version, PINNED)


def _reason(version: VersionSummary, rank: int, keep: int, target: int | None) -> str:
    """Reason to keep a version; empty for none.

    Args:
        version: the version.
        rank: number of newer versions of its kind.
        keep: number of newest versions to keep.
        target: version that a rollback would go to.
    """
    if version.aliases:
        return f"alias {', '.join(version.aliases)}"
    if PINNED in version.tags:
        return f"pinned: {version.tags[PINNED]}" if version.tags[PINNED] else "pinned"
    if version.version == target:
        return "a rollback goes to it"
    kind = " updates" if _is_update(version) else ""
    return f"one of the newest {keep}{kind}" if rank < keep else ""


def _is_update(version: VersionSummary) -> bool:
    return BASE in version.tags


def remove(registry: Registry, version: int) -> None:
    """Delete a version with its model and its run.

    Files on this machine are deleted at once, with all that the run has logged. Those of a server go when `mlflow gc`
    runs there.
    """
    # The files first: while the version is registered, another cleaning knows what is left of it.
    folders = list(map(_local, registry.addresses(version)))
    for folder in filter(None, folders):
        _delete(folder)
    registry.delete(version, for_good=registry.is_database and None not in folders)


def killed_trainings(registry: Registry, now: datetime) -> list[TrainingRun]:
    """List the trainings that came to no version and say for good that they run, old enough to be over.

    Args:
        registry: registry of the dataset.
        now: present time, naive UTC.
    """
    here = holder(registry.settings)
    return [
        each
        for each in _without_version(registry)
        if each.status == "RUNNING" and each.started < now - (HALTED_FOR if each.home == here else ELSEWHERE_FOR)
    ]


def failed_trainings(registry: Registry, now: datetime) -> list[TrainingRun]:
    """List the trainings that came to no version long ago.

    Args:
        registry: registry of the dataset.
        now: present time, naive UTC.
    """
    before = now - FAILED_FOR
    return [each for each in _without_version(registry) if each.status != "RUNNING" and each.started < before]


def _without_version(registry: Registry) -> list[TrainingRun]:
    """Trainings without a version; what people run in an experiment of the same name is none."""
    return [each for each in registry.trainings() if each.dagster_run and each.version is None]


def remove_training(registry: Registry, training: TrainingRun) -> None:
    """Delete the run of a training that came to no version, as `remove` does."""
    folders = folders_of_training(training)
    for folder in folders:
        _delete(folder)
    registry.delete_training(training.id, for_good=registry.is_database and bool(folders))


def _delete(folder: Path) -> None:
    """Delete a folder, unless another cleaning has. OSError if it cannot be: then what names it stays, too."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise OSError(
            f"{folder} cannot be deleted, and stays registered: {error}. Give this user the right to; `gatehouse clean`"
            " then goes on"
        ) from error


def folders_of_training(training: TrainingRun) -> list[Path]:
    """Folder of what a training has logged, if it is on this machine."""
    folder = _local(training.files)
    return [folder] if folder else []


def folders_of(registry: Registry, version: int) -> list[Path]:
    """Folders of a version's files on this machine: its model, and its run."""
    return [folder for folder in map(_local, registry.addresses(version)) if folder]


def _local(uri: str | None) -> Path | None:
    """Path of a file address on this machine; None for any other address."""
    address = urlsplit(uri or "models:")
    return Path(unquote(address.path)) if address.scheme in ("", "file") else None
