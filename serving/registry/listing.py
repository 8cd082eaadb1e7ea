"""Versions of a dataset: usable ones, and others with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from serving.registry.tags import CHAMPION, INPUT_KEY, OUTCOME


@dataclass(frozen=True, kw_only=True)
class Version:
    """A registered version as MLflow stores it."""

    number: int
    created: datetime
    """Time of registration, naive UTC."""
    ready: bool
    run_id: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class RunState:
    """The state of an MLflow run."""

    finished: bool
    deleted: bool
    metrics: Mapping[str, float]
    """Metrics by their name in MLflow."""


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """The MLflow run of a training, whether it came to a version or not."""

    id: str
    status: str
    """MLflow's: RUNNING, FINISHED, FAILED or KILLED. One that was killed by force says RUNNING for good."""
    started: datetime
    """Naive UTC."""
    files: str
    """Address of what it has logged."""
    version: int | None
    """Version that it registered."""
    dagster_run: str | None
    """Run of Dagster that it is of; None for a run that is not Gatehouse's."""
    home: str | None
    """Home that it is of, as `holder` names it."""


@dataclass(frozen=True, kw_only=True)
class VersionSummary:
    """One complete version."""

    version: int
    created: datetime
    """Time of registration, naive UTC."""
    outcome: str | None
    """Outcome of the gate; None before the version is sealed."""
    metrics: dict[str, float]
    """Metrics of its run."""
    champion: bool
    aliases: tuple[str, ...]
    """Aliases that point at it, the champion's included."""
    tags: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The versions of a dataset."""

    versions: tuple[VersionSummary, ...]
    """Complete versions, newest first."""
    skipped: tuple[str, ...]
    """A line for each version that Gatehouse cannot use, with the reason."""
    aside: tuple[VersionSummary, ...]
    """The skipped versions as they are registered: nobody but who registered them knows what still needs them."""
    interrupted: Mapping[int, datetime]
    """Registered versions whose run has not finished, of a training that was killed or is at work: their times."""


def listing_of(versions: Iterable[Version], runs: Mapping[str, RunState], aliases: Mapping[str, int]) -> Listing:
    """Separate the versions that can be used from the others.

    Args:
        versions: registered versions.
        runs: their runs by id; one that is gone is absent.
        aliases: versions by alias.
    """
    found, skipped, aside, interrupted = [], [], [], {}
    for each in sorted(versions, key=lambda version: -version.number):
        run = runs.get(each.run_id) if each.run_id else None
        reason = _reason(each, run)
        if reason:
            skipped.append(f"version {each.number} {reason}")
            aside.append(_summary(each, run, aliases))
        elif run and run.finished and each.ready:
            found.append(_summary(each, run, aliases))
        else:
            interrupted[each.number] = each.created
    return Listing(versions=tuple(found), skipped=tuple(skipped), aside=tuple(aside), interrupted=interrupted)


def _reason(version: Version, run: RunState | None) -> str | None:
    """Say why a version cannot be used. A crashed or unfinished run is no reason."""
    if version.run_id is None or INPUT_KEY not in version.tags:
        return "was not registered by Gatehouse"
    if run is None:
        return "has lost its run, which was deleted in MLflow for good"
    return "has a run that was deleted in MLflow: restore the run there to use it" if run.deleted else None


def _summary(version: Version, run: RunState | None, aliases: Mapping[str, int]) -> VersionSummary:
    own = tuple(sorted(alias for alias, number in aliases.items() if number == version.number))
    return VersionSummary(
        version=version.number,
        created=version.created,
        outcome=version.tags.get(OUTCOME),
        metrics={name.replace("_at_", "@"): value for name, value in run.metrics.items()} if run else {},
        champion=CHAMPION in own,
        aliases=own,
        tags=dict(version.tags),
    )
