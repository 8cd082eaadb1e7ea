"""Findings on the champion of a dataset: its alias, its history, its mirror, its features, its lock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from feature_repo.schema import Schema
from orchestration.doctor.finding import Finding
from orchestration.local.services import is_locked
from serving.index.stored_names import StoredNames
from serving.registry import Registry
from serving.registry.holder import HOLDER, holder
from serving.registry.lock import UNTIL, lock_name
from serving.registry.sqlite import open_registry
from serving.release.freshness import check_fresh
from serving.release.history import has_moved, may_serve, served
from serving.release.manifest import ReleaseError, alias_name, collection_name, read
from serving.settings import Settings

SETTLED = "the sensor `champion_moved` settles it where Dagster's daemon runs; `gatehouse rollback` does it at once"


def champion_findings(
    settings: Settings, registry: Registry, stored: StoredNames | None, now: datetime
) -> Iterator[Finding]:
    """Examine the champion of a dataset.

    Args:
        settings: the home and its services.
        registry: registry of the dataset.
        stored: collections and aliases of the index; None if it is away.
        now: present time (UTC, with zone).
    """
    is_moving = is_locked(settings.home / "promotion.lock")
    if is_moving:
        return  # between two states, and about to be whole
    for problem, way_out in (
        *_alias(registry),
        *_mirror(registry, stored),
        *_features(settings, registry),
        *_lock(settings, registry.dataset, now),
    ):
        yield Finding(about=registry.dataset, problem=problem, way_out=way_out)


def _alias(registry: Registry) -> Iterator[tuple[str, str]]:
    champion, history = registry.champion(), served(registry)
    if champion is None:
        if history:
            yield f"there is no champion: the alias was deleted; version {history[-1]} served last", SETTLED
    elif not may_serve(registry.tags(champion)):
        yield f"version {champion} has the alias and may not serve: no passed verdict, no override", SETTLED
    elif has_moved(registry):
        yield (
            f"version {champion} has the alias, the history ends with {history[-1]}",
            "the sensor `champion_moved` follows it where Dagster's daemon runs, and so does"
            f" `gatehouse promote {champion}`; `gatehouse promote {history[-1]}` puts it back",
        )


def _mirror(registry: Registry, stored: StoredNames | None) -> Iterator[tuple[str, str]]:
    champion = registry.champion()
    if stored is None or champion is None or not may_serve(registry.tags(champion)):
        return
    alias, wanted = alias_name(registry.dataset), collection_name(registry.dataset, champion)
    found = stored.aliases.get(alias)
    if found != wanted:
        yield (
            f"the Milvus alias {alias} points at {found or 'nothing'}, the champion has {wanted}; only readers outside"
            " Gatehouse use it",
            f"the sensor `milvus_alias` moves it, or `gatehouse promote {champion}`",
        )


def _features(settings: Settings, registry: Registry) -> Iterator[tuple[str, str]]:
    champion = registry.champion()
    if champion is None:
        return
    try:
        schema = Schema.from_json(registry.read_file(champion, "schema.json"))
        check_fresh(settings, read(registry, champion), schema)
    except ReleaseError as error:
        yield str(error), "bring the newest data, and `gatehouse run`"
    except (OSError, LookupError, ValueError) as error:
        yield f"version {champion} cannot be read: {error}", "`gatehouse rollback`, or bring its files back"


def _lock(settings: Settings, dataset: str, now: datetime) -> Iterator[tuple[str, str]]:
    """A lock in the registry that outlived its process."""
    tags = open_registry(settings, lock_name(dataset)).model_tags()
    left = bool(tags) and (tags.get(HOLDER) == holder(settings) or datetime.fromisoformat(tags[UNTIL]) < now)
    if left:
        yield (
            f"the lock of promotions in the registry was left behind by a process of {tags.get(HOLDER)}",
            "the next promotion or rollback takes it over",
        )
