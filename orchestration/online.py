"""Online features of every kept release, each by its own schema.

A champion reads the views of the schema that it was trained with. If a run loaded only
its own, an edit of the schema would leave a champion with features that nothing
refreshes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from feature_repo.datasets.clock import TOLERANCE
from feature_repo.errors import InputError, NewerOnlineError
from feature_repo.events.base import write_base
from feature_repo.schema import ITEM_ID, Entity, Schema
from feature_repo.store.serving_state import seen_schema, withdrawn_schema, write_withdrawn
from feature_repo.store.sqlite_rows import settle
from feature_repo.tables.other_schema import under_schema
from feature_repo.validation.kept import read_record
from feature_repo.whole_file import write_text
from orchestration.asset_files import read_schema, read_tables, read_users
from orchestration.asset_values import Features, Source
from orchestration.latest_features import compute_latest, compute_seen, store_of
from orchestration.workspace import Workspace
from serving.index.base import Fields
from serving.index.lite_files import open_index
from serving.registry import Registry
from serving.registry.sqlite import open_registry
from serving.release.history import may_serve
from serving.release.manifest import collection_name
from serving.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Online features of one schema after a run."""

    schema: str
    """Digest of the schema."""
    versions: tuple[int, ...]
    """Kept versions of the schema, without that of the run."""
    written: int = 0
    """Rows that were written."""
    problem: str | None = None
    """Reason why they are older than the data of the run, if they are."""


def load_features(workspace: Workspace, features: Features, record: Path, warn: Callable[[str], None]) -> list[Loaded]:
    """Bring the online features of all kept releases to the newest data.

    Users who are not in the data any more vanish from all of them.

    Args:
        workspace: options of the run.
        features: user features of the run's schema.
        record: file of the reports of these tables.
        warn: told what could not be loaded.

    Returns:
        What was loaded, by schema; empty if nothing has changed since the last load.
    """
    settings, source, own = workspace.settings, features.source, read_schema(features.source)
    registry = open_registry(settings, source.dataset)
    sealed = [each for each in registry.versions() if each.outcome]
    kept = kept_schemas(registry, [each.version for each in sealed], warn)
    others = {digest: found for digest, found in kept.items() if digest != own.digest}
    note = features.folder.with_suffix(".online.json")
    state = online_state(features, settings, record, others)
    if state and not workspace.reset_online and note.exists() and json.loads(note.read_text()) == state:
        _note_base(settings, source)
        return []
    done = []
    # Before the histories: an item that a user has just seen must not return meanwhile.
    if not all(each.seen_items_may_return for each in (own, *(schema for schema, _ in others.values()))):
        done.append(_load_seen(workspace, source, warn))
    done.append(_load(workspace, own, (), features.folder.parent, source.as_of, warn))
    for schema, versions in others.values():
        folder = source.folder.parent / f"online_{schema.digest}"
        try:
            compute_latest(workspace.settings, under_schema(read_tables(source), schema), source.as_of, folder)
        except InputError as error:
            problem = f"the online features of version {_listed(versions)} stay as they are: {error}"
            warn(problem)
            done.append(Loaded(schema=schema.digest, versions=versions, problem=problem))
        else:
            done.append(_load(workspace, schema, versions, folder, source.as_of, warn))
    serving = [each.version for each in sealed if may_serve(each.tags)]
    done.append(_load_withdrawn(workspace, source, serving, warn))
    vanished = store_of(settings, own).forget_all_but(Entity.USER, read_users(source))
    if vanished:
        warn(f"{vanished:,} users are not in the data any more: their online features are deleted")
    if not any(each.problem for each in done if each.schema == own.digest):
        _note_base(settings, source)
    if not any(each.problem for each in done):
        write_text(note, json.dumps(online_state(features, settings, record, others)))
    return done


def _note_base(settings: Settings, source: Source) -> None:
    """Note the data that the consumer of the event log goes on from."""
    home, folder, kinds = settings.feast_home, source.folder, read_schema(source).kinds
    write_base(home, source.dataset, key=source.sha256, folder=folder, as_of=source.as_of, kinds=kinds)


def kept_schemas(
    registry: Registry, versions: Iterable[int], warn: Callable[[str], None]
) -> dict[str, tuple[Schema, tuple[int, ...]]]:
    """Schemas of some versions, with their versions, by digest.

    Args:
        registry: registry of the dataset.
        versions: the versions.
        warn: told which versions cannot be read.
    """
    found: dict[str, tuple[Schema, tuple[int, ...]]] = {}
    for version in versions:
        try:
            schema = Schema.from_json(registry.read_file(version, "schema.json"))
        except (OSError, LookupError, ValueError) as error:
            warn(f"the online features of version {version} are not loaded: {error}")
        else:
            found[schema.digest] = (schema, (*found.get(schema.digest, (schema, ()))[1], version))
    return found


def _load_seen(workspace: Workspace, source: Source, warn: Callable[[str], None]) -> Loaded:
    """Load all items that each user has seen, which never return."""
    folder = source.folder.parent / "online_seen"
    compute_seen(
        workspace.settings, pl.read_parquet(source.folder / "events.parquet"), read_users(source), source.as_of, folder
    )
    return _load(workspace, seen_schema(source.dataset), (), folder, source.as_of, warn)


def _load_withdrawn(
    workspace: Workspace, source: Source, versions: Iterable[int], warn: Callable[[str], None]
) -> Loaded:
    """Load the items of kept releases that the data does not have any more.

    Args:
        workspace: options of the run.
        source: data of the run.
        versions: kept versions that may serve.
        warn: told how many items are withdrawn.
    """
    settings = workspace.settings
    items = set(pl.read_parquet(source.folder / "items.parquet", columns=[ITEM_ID])[ITEM_ID])
    withdrawn: set[str] = set()
    for name in (collection_name(source.dataset, version) for version in versions):
        try:
            with open_index(settings, Fields(types={}), name) as index:
                withdrawn |= set(index.ids(name)) - items
        except LookupError as error:
            warn(f"the withdrawn items of {name} are not known: {error}")
    if withdrawn:
        warn(f"{len(withdrawn):,} items of kept releases are not in the data any more: they are not answered")
    with TemporaryDirectory(dir=settings.home) as folder:
        write_withdrawn(withdrawn, source.as_of, Path(folder))
        return _load(workspace, withdrawn_schema(source.dataset), (), Path(folder), source.as_of, warn, Entity.ITEM)


def _load(
    workspace: Workspace,
    schema: Schema,
    versions: tuple[int, ...],
    folder: Path,
    as_of: datetime,
    warn: Callable[[str], None],
    entity: Entity = Entity.USER,
) -> Loaded:
    """Load the online features of one schema from its tables.

    Args:
        workspace: options of the run.
        schema: the schema.
        versions: kept versions of the schema, for messages.
        folder: folder of its tables.
        as_of: time of the values.
        warn: told if newer ones are there already.
        entity: entity whose features are loaded.
    """
    store = store_of(workspace.settings, schema)
    store.apply(folder, (entity,))
    until = store.loaded_until(entity)
    future = until is not None and until > workspace.clock + TOLERANCE
    if future:
        warn(f"the online features were loaded for {until}, a time to come: they are loaded anew for {as_of}")
    try:
        written = store.load_online(entity, as_of, anew=future or workspace.reset_online)
    except NewerOnlineError as error:
        warn(f"the online store was left as it is: {error}")
        return Loaded(schema=schema.digest, versions=versions, problem=str(error))
    return Loaded(schema=schema.digest, versions=versions, written=written)


def _listed(versions: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(versions)))


def online_state(
    features: Features, settings: Settings, record: Path, schemas: Iterable[str] = ()
) -> dict[str, Any] | None:
    """State of the default online store and of all that it is loaded from.

    None for a store on a server, or none. Files that nobody has written to since hold
    what was loaded, and need no look by Feast, whose import takes seconds.

    Args:
        features: user features of the run's schema.
        settings: the home and its services.
        record: file of the reports of these tables.
        schemas: digests of the other schemas that are loaded.
    """
    files = [settings.feast_home / name for name in ("online.db", "registry.db")]
    checked = read_record(record)
    on_server = settings.online_store or settings.feature_registry
    if on_server or checked is None or not all(file.exists() for file in files):
        return None
    # New rows lie in a log beside the file until they are moved there.
    settle(files[0])
    log = files[0].with_name("online.db-wal")
    stats = {file.name: file.stat() for file in (*files, log) if file.exists() and file.stat().st_size}
    written = {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}
    state = {"tables": checked.key, "as_of": str(features.source.as_of), "files": written}
    return {**state, "schemas": sorted(schemas), "users": features.source.sha256}
