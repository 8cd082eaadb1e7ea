"""The release that a training goes on from, where it is to go on from one, and why it may not from another."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

from feature_repo.errors import InputError
from feature_repo.schema import Schema
from orchestration.asset_values import Source
from orchestration.workspace import Workspace
from serving.registry import CHAMPION, Registry, Training
from serving.release.load import champion_of
from serving.release.manifest import Manifest, read, verified_files
from training.recipes import TrainConfig, recipe
from training.recipes.serialization import from_json


@dataclass(frozen=True, kw_only=True)
class Parent:
    """What goes on: training says how, folder holds the files, `cut` is until when they were trained."""

    training: Training
    version: int
    folder: Path
    cut: datetime


def parent_of(workspace: Workspace, source: Source, schema: Schema) -> Parent | None:
    """The release that the workspace names, None if it names none.

    ReleaseError if there is no champion, or if the version is not sealed or was changed since; LookupError for an
    unknown version; InputError if nothing good can come of going on from it with this data.
    """
    named = workspace.update or workspace.warm_start
    if named is None:
        return None
    registry = Registry(workspace.settings, source.dataset)
    version = champion_of(registry) if named == CHAMPION else int(named)
    manifest, folder = read(registry, version), registry.download(version)
    verified_files(folder, manifest)
    if workspace.update:
        config = recipe(workspace.recipe, seen_items_may_return=schema.seen_items_may_return)
        former = from_json((folder / "recipe.json").read_text(encoding="utf-8"))
        _refuse_update(manifest, source, schema, _differences(former, config), workspace.recipe)
    else:
        _refuse_warm_start(manifest, source)
    training = Training.UPDATE if workspace.update else Training.WARM_START
    return Parent(training=training, version=version, folder=folder, cut=manifest.cut)


def _refuse_update(manifest: Manifest, source: Source, schema: Schema, different: list[str], name: str) -> None:
    version = f"version {manifest.version}"
    if manifest.schema_digest != schema.digest:
        raise InputError(
            f"{version} has another feature schema than this run ({manifest.schema_digest}, not {schema.digest}): an "
            "update moves ids alone, and its towers do not take other features. Train anew: `gatehouse run`"
        )
    if different:
        raise InputError(
            f"{version} was trained by another recipe than {name!r} (it differs in {', '.join(different)}): an update "
            "goes on with the release's own. Name that one with --recipe, or train anew: `gatehouse run`"
        )
    if source.cut <= manifest.cut:
        raise InputError(
            f"{version} was trained until {manifest.cut}, and the training part of this run ends at {source.cut}, "
            "where its hold-out begins: no event is left to update by. Bring newer events"
        )


def _refuse_warm_start(manifest: Manifest, source: Source) -> None:
    if manifest.cut > source.validation_start:
        raise InputError(
            f"version {manifest.version} was trained until {manifest.cut}, and this run finds its number of epochs on "
            f"what happened from {source.validation_start} to {source.cut}: the release has seen that, so the "
            "validation would flatter it and stop too early. Bring newer events, `--update` the ids alone, or start "
            "anew without --warm-start"
        )


def _differences(former: TrainConfig, config: TrainConfig) -> list[str]:
    """The parts in which two recipes differ."""
    return [each.name for each in fields(config) if getattr(former, each.name) != getattr(config, each.name)]
