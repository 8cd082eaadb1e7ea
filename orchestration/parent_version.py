"""The base release of an update or a warm start: resolved, verified, or refused."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

from feature_repo.errors import InputError
from feature_repo.schema import Schema
from orchestration.asset_files import count_events
from orchestration.asset_values import Source
from orchestration.workspace import Workspace
from serving.registry import CHAMPION, Registry, Training
from serving.release.load import champion_of, check_may_serve
from serving.release.manifest import Manifest, read, verified_files
from training.artifacts.choice import asked_recipe
from training.recipes import TrainConfig, recipe


@dataclass(frozen=True, kw_only=True)
class Parent:
    """The release that a training starts from."""

    training: Training
    """Update or warm start."""
    version: int
    folder: Path
    """Its artifact folder."""
    cut: datetime
    """End of its training data."""


def parent_of(workspace: Workspace, source: Source, schema: Schema) -> Parent | None:
    """Resolve the base release that the workspace names; None for a full training.

    Args:
        workspace: the run's options.
        source: the run's data.
        schema: the schema of that data.

    Raises:
        ReleaseError: there is no champion, or the version is not sealed or was changed since.
        LookupError: there is no such version.
        InputError: the release does not fit this data, schema or recipe.
    """
    named = workspace.update or workspace.warm_start
    if named is None:
        return None
    registry = Registry(workspace.settings, source.dataset)
    version = champion_of(registry) if named == CHAMPION else int(named)
    manifest = read(registry, version)
    if named == CHAMPION:
        check_may_serve(registry, manifest)
    if manifest.judged != version:
        # A refit has learned from what its successors are judged on; its judged twin has not.
        version, manifest = manifest.judged, read(registry, manifest.judged)
    folder = registry.download(version)
    # Training would start from whatever the files hold now.
    verified_files(folder, manifest)
    if workspace.update:
        returns, events = schema.seen_items_may_return, count_events(source)
        config = recipe(workspace.recipe, seen_items_may_return=returns, interactions=events)
        _refuse_update_of_objective(config, workspace.recipe)
        # Switches that a choice took belong to the release, not to the question.
        _refuse_update(manifest, source, schema, _differences(asked_recipe(folder), config), workspace.recipe)
    else:
        _refuse_warm_start(manifest, source)
    training = Training.UPDATE if workspace.update else Training.WARM_START
    return Parent(training=training, version=version, folder=folder, cut=manifest.cut)


def since_of(parent: Parent | None) -> datetime | None:
    """Time since which a training learns; None for one that learns from the whole log."""
    return parent.cut if parent and parent.training is Training.UPDATE else None


def check_snapshots(source: Source, parent: Parent | None) -> None:
    """Raise RuntimeError unless the user snapshots of a source are enough for a training.

    Args:
        source: the source, which may have those of an update alone.
        parent: what the training starts from; None for a training in full.
    """
    since = since_of(parent)
    if source.since is not None and (since is None or since < source.since):
        needed = "all" if since is None else f"those since {since}"
        cause = "" if since is None else "its base is not the one that the run began with, as after a rollback: "
        raise RuntimeError(
            f"the user snapshots of this run are those since {source.since}, for an update, and this training needs "
            f"{needed}: {cause}materialise all assets in one run (`gatehouse run`)"
        )


def base_of(registry: Registry, manifest: Manifest) -> Parent | None:
    """Base that a judged version started from, verified; None after a full training.

    Raises:
        ReleaseError: the base was changed since it was judged.
        LookupError: it is gone.
    """
    if manifest.parent is None:
        return None
    base, folder = read(registry, manifest.parent), registry.download(manifest.parent)
    verified_files(folder, base)
    return Parent(training=manifest.training, version=manifest.parent, folder=folder, cut=base.cut)


def _refuse_update(manifest: Manifest, source: Source, schema: Schema, different: list[str], name: str) -> None:
    version = f"version {manifest.version}"
    if manifest.schema_digest != schema.digest:
        raise InputError(
            f"{version} has another feature schema than this run ({manifest.schema_digest}, not {schema.digest}): an "
            "update changes id embeddings only, and its towers do not take other features. Retrain: `gatehouse run`"
        )
    if different:
        raise InputError(
            f"{version} was trained by another recipe than {name!r} (they differ in {', '.join(different)}): an update "
            "keeps the release's recipe. Name that recipe with --recipe, or retrain: `gatehouse run`"
        )
    if source.cut <= manifest.cut:
        raise InputError(
            f"{version} was trained until {manifest.cut}, and the training part of this run ends at {source.cut}, "
            "where its hold-out begins: no event is left for an update. Bring newer events"
        )


def _refuse_update_of_objective(config: TrainConfig, name: str) -> None:
    if config.policy:
        raise InputError(
            f"recipe {name!r} trains for later rewards, and of the interactions since the release these are not known "
            "yet: an update would learn clicks instead. Retrain: `gatehouse run`"
        )
    if config.impressions and config.impressions.weight == 1:
        raise InputError(
            f"recipe {name!r} learns from impressions alone, and an update learns from interactions: retrain, "
            "`gatehouse run`"
        )


def _refuse_warm_start(manifest: Manifest, source: Source) -> None:
    if manifest.cut > source.validation_start:
        raise InputError(
            f"version {manifest.version} was trained until {manifest.cut}, and this run chooses its number of epochs "
            f"on the events from {source.validation_start} to {source.cut}: the release has seen them, so the "
            "validation would flatter it and stop too early. Bring newer events, use --update, or retrain without "
            "--warm-start"
        )


def _differences(former: TrainConfig, config: TrainConfig) -> list[str]:
    """Name the parts in which two recipes differ."""
    return [each.name for each in fields(config) if getattr(former, each.name) != getattr(config, each.name)]
