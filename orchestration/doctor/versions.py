"""Findings on the versions of a dataset and their collections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from feature_repo.schema import stored_name
from orchestration.doctor.finding import Finding
from serving.index.stored_names import StoredNames
from serving.registry import Listing, Registry, VersionSummary
from serving.release.history import may_serve
from serving.release.manifest import MANIFEST_SHA256, ReleaseError, collection_name, read
from serving.release.promotion import PROMOTED
from serving.release.retention import killed_trainings

AGAIN = "the same `gatehouse run` completes it"


def version_findings(
    registry: Registry, listing: Listing, stored: StoredNames | None, now: datetime, *, is_at_work: bool
) -> Iterator[Finding]:
    """Examine the versions of a dataset.

    Args:
        registry: registry of the dataset.
        listing: its versions.
        stored: collections and aliases of the index; None if it is away.
        now: present time (UTC, with zone).
        is_at_work: whether a run of the dataset is building something now.
    """

    def found(problem: str, way_out: str) -> Finding:
        return Finding(about=registry.dataset, problem=problem, way_out=way_out)

    for line in listing.skipped:
        yield found(line, "delete the version in MLflow, or restore its run there")
    champion = registry.champion()
    for version in () if is_at_work else listing.interrupted:
        yield found(
            f"version {version} was registered by a training that was interrupted; nothing uses it",
            "the same `gatehouse run` trains another one, `gatehouse clean` then removes this one",
        )
    for training in () if is_at_work else killed_trainings(registry, now.replace(tzinfo=None)):
        yield found(
            f"the MLflow run {training.id} of {training.started:%Y-%m-%d %H:%M} says that it runs; it was killed",
            "the same `gatehouse run` trains again from the last completed epoch, `gatehouse clean` ends the run",
        )
    for each in listing.versions:
        if MANIFEST_SHA256 not in each.tags:
            if not is_at_work:
                yield found(f"version {each.version} is trained but not judged: its run was interrupted", AGAIN)
            continue
        problem = _broken(registry, each, stored)
        if problem:
            yield found(
                problem,
                "`gatehouse verify` names all of it; another version serves, `gatehouse clean` removes old ones",
            )
        if _is_waiting(each, champion) and not is_at_work:
            yield found(
                f"version {each.version} passed and was never promoted",
                f"{AGAIN}, or `gatehouse promote {each.version}`",
            )
    if stored:
        for name in sorted(stored.collections - _expected(listing, registry.dataset)):
            if re.fullmatch(rf"{re.escape(stored_name(registry.dataset))}_items_v\d+", name):
                yield found(f"the collection {name} belongs to no version", "`gatehouse clean` removes it")


def _broken(registry: Registry, version: VersionSummary, stored: StoredNames | None) -> str | None:
    """Problem of a version that may serve and is not whole; None if it is whole, or may not serve."""
    if not may_serve(version.tags):
        return None
    try:
        manifest = read(registry, version.version)
    except ReleaseError as error:
        return str(error)
    if stored and manifest.collection not in stored.collections:
        return f"version {version.version} has lost its collection {manifest.collection}"
    return None


def _is_waiting(version: VersionSummary, champion: int | None) -> bool:
    """Whether the run of a version ended between its verdict and its promotion."""
    return may_serve(version.tags) and PROMOTED not in version.tags and version.version > (champion or 0)


def _expected(listing: Listing, dataset: str) -> frozenset[str]:
    """Names of the collections of all registered versions."""
    skipped = (int(match.group(1)) for line in listing.skipped if (match := re.match(r"version (\d+) ", line)))
    numbers = (*(each.version for each in listing.versions), *listing.interrupted, *skipped)
    return frozenset(collection_name(dataset, number) for number in numbers)
