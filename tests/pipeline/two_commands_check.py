"""What must hold of a home after any two commands, and the outcomes that one after the other could have."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from copy import deepcopy
from itertools import permutations
from typing import Any

from feature_repo.schema import Entity
from feature_repo.store.definitions import table_name
from serving.index.base import Fields
from serving.index.lite_files import open_index
from serving.index.milvus import MilvusIndex
from serving.open import open_retriever
from serving.registry import Registry
from serving.registry.sqlite import open_registry
from serving.release.history import may_serve, predecessors, record, served
from serving.release.load import Release, check_contents
from serving.release.manifest import alias_name
from serving.release.mirror import mirror_alias
from serving.release.promotion import PROMOTED
from serving.settings import Settings
from tests.unit.serving.memory_registry import MemoryRegistry


def state_of(settings: Settings, dataset: str) -> dict[str, Any]:
    """State of a home as data, with `problems` in words."""
    registry = open_registry(settings, dataset)
    listing = registry.listing()
    tags = {each.version: each.tags for each in listing.versions}
    state: dict[str, Any] = {
        "champion": registry.champion(),
        "served": list(served(registry)),
        "versions": sorted(tags),
        "tags": tags,
    }
    problems = list(_problems(settings, dataset, state))
    if listing != Registry(settings, dataset).listing():
        problems.append("MLflow and its file list other versions")
    problems += listing.skipped
    return {**state, "problems": problems}


def _problems(settings: Settings, dataset: str, state: dict[str, Any]) -> Iterator[str]:
    champion = state["champion"]
    if champion not in state["versions"] or not may_serve(state["tags"][champion]):
        yield f"version {champion} is the champion and may not serve"
        return
    if state["served"][-1:] != [champion]:
        yield f"version {champion} is the champion, the history says {state['served']}"
    release = Release.load(settings, dataset)
    manifest = release.manifest
    mirror_alias(settings, dataset)  # as the sensor does: the other command may have held the index
    with MilvusIndex(settings, Fields(types={})) as index:
        target = index.target(alias_name(dataset))
        if target != manifest.collection:
            yield f"the alias of the index points at {target}, the champion has {manifest.collection}"
        gone = [f"{dataset}_items_v{version}" for version in state["versions"]]
        missing = set(gone) - set(index.names())
        if any(may_serve(state["tags"][int(name.rpartition("v")[2])]) for name in missing):
            yield f"listed versions have no collection: {sorted(missing)}"
    with open_index(settings, Fields.of(release.schema), manifest.collection) as stored:
        check_contents(stored, manifest)
    with closing(sqlite3.connect(settings.feast_home / "online.db")) as connection:
        tables = [table_name(release.schema, view) for view in release.schema.views_of(Entity.USER)]
        dated = [name for name in tables if "profile" not in name]
        times = {row for name in dated for row in connection.execute(f'SELECT DISTINCT event_ts FROM "{name}"')}
        users = {connection.execute(f'SELECT count(DISTINCT entity_key) FROM "{name}"').fetchone() for name in tables}
    if len(times) != 1 or len(users) != 1:
        yield f"online features are of the times {sorted(times)}, of {sorted(users)} users"
    with open_retriever(settings, dataset) as retriever:
        answer = retriever.recommend("u001", 10)
        if (answer.version, answer.source, len(answer.items)) != (champion, "two_tower", 10):
            yield f"an answer of version {answer.version} from {answer.source} with {len(answer.items)} items"


def faults(found: dict[str, Any]) -> list[str]:
    """What was wrong after a pair, as `two_commands` prints it."""
    look, ended = found["look"], [*found["ended"], *found["after"]]
    wrong = [
        f"{each['arguments']} ended with {each['code']}: {each['err'][-1500:]}" for each in ended if not fair(each)
    ]
    if look["code"]:
        return [*wrong, f"the home cannot be read: {look['err'][-1500:]}"]
    state = look["value"]
    wrong += state["problems"]
    possible = serial_outcomes(found["before"], found["ended"], state)
    if (state["champion"], tuple(state["served"])) not in possible:
        wrong.append(f"champion {state['champion']} after {state['served']}; one after the other: {possible}")
    return wrong


def fair(ended: dict[str, Any]) -> bool:
    """Whether a command did its work, or refused it in one line."""
    said = ended["err"].strip().splitlines()
    refused = (
        ended["code"] == 1 and bool(said) and said[-1].startswith("gatehouse: ") and "Traceback" not in ended["err"]
    )
    return ended["code"] in (0, 3) or (refused and not any(word in said[-1] for word in UNCLEAR))


UNCLEAR = (
    "Traceback", "No such file", "Errno", "database is locked", "UNIQUE", "IntegrityError", "sqlite3", "gRPC",
    "was changed", "was sealed", "are not those that were judged", "is not the one that was judged",
)  # fmt: skip
"""Words of errors that say nothing of another command."""


def serial_outcomes(
    before: dict[str, Any], ended: Sequence[dict[str, Any]], after: dict[str, Any]
) -> set[tuple[int | None, tuple[int, ...]]]:
    """Champion and history that the same commands one after the other could leave."""
    found = set()
    for order in permutations(ended):
        registry = MemoryRegistry(dataset="pairs")
        tags = {int(number): each for number, each in (before["tags"] | after["tags"]).items()}
        registry.stored = deepcopy(tags)
        registry.model = {"gatehouse.served": " ".join(map(str, before["served"]))}
        registry.alias = {"champion": before["champion"]}
        promoted = {int(number) for number, each in before["tags"].items() if PROMOTED in each}
        for each in order:
            target = _target(registry, each, promoted)
            if target is not None:
                record(registry, target)  # type: ignore[arg-type]
                registry.set_champion(target)
                promoted.add(target)
        found.add((registry.champion(), served(registry)))  # type: ignore[arg-type]
    return found


def _target(registry: MemoryRegistry, ended: dict[str, Any], promoted: set[int]) -> int | None:
    """Version that a command makes champion, if it does."""
    command, *_ = ended["arguments"]
    if ended["code"] != 0 or command in ("recommend", "clean"):
        return None
    if command == "promote":
        return int(json.loads(ended["out"])["champion"])
    if command == "rollback":
        kept = [each for each in predecessors(registry) if each in registry.stored]  # type: ignore[arg-type]
        able = [each for each in kept if may_serve(registry.tags(each))]
        return able[0] if able else None
    version = int(json.loads(ended["out"])["version"])
    return None if version in promoted else version
