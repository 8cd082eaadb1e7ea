"""Findings on the versions of a dataset and their collections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from feature_repo.schema import stored_name
from orchestration.doctor.finding import Finding
from serving.gate.verdict import Outcome
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

    for line, each in zip(listing.skipped, listing.aside, strict=True):
        # With a version MLflow deletes its aliases.
        yield found(line, f"{'' if each.aliases else 'delete the version in MLflow, or '}restore its run there")
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
        if not is_at_work and (promotion := _half_promoted(each, champion)):
            yield found(*promotion)
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


def _half_promoted(version: VersionSummary, champion: int | None) -> tuple[str, str] | None:
    """Say that a promotion ended before the champion moved, with the way out; None if it did not."""
    if not may_serve(version.tags) or PROMOTED in version.tags or version.version == champion:
        return None
    again = f"`gatehouse promote {version.version}"
    if version.outcome != Outcome.PASSED:
        return (
            f"version {version.version} did not pass, and its promotion by an override was interrupted",
            f"{again} --override REASON` completes it; as it is, a move of the alias to it by hand would be followed",
        )
    if version.version < (champion or 0):
        return None  # a newer one serves
    return f"version {version.version} passed and was never promoted", f"{AGAIN}, or {again}`"


def _expected(listing: Listing, dataset: str) -> frozenset[str]:
    """Names of the collections of all registered versions."""
    numbers = (*(each.version for each in (*listing.versions, *listing.aside)), *listing.interrupted)
    return frozenset(collection_name(dataset, number) for number in numbers)
