"""The state of a home folder and its services, for `gatehouse status`.

Nothing is changed.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feature_repo.schema import Schema
from orchestration.local.services import held, running
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.probe import listens
from serving.registry.override import override_of
from serving.registry.sqlite import open_registry
from serving.release.freshness import loaded_for, newest_load
from serving.release.manifest import collection_name
from serving.settings import Settings

THERE, NOTHING, SILENT, HELD = "there", "nothing yet", "does not answer", "held by another process"


def status(settings: Settings) -> dict[str, Any]:
    """Describe a home, ready for JSON.

    Returns:
        home: Its path.
        format: Its format; None for an empty home.
        bytes: Size by folder and in total.
        services: Address by name of the services that run.
        datasets: By name, the champion and the number of complete versions (both None if the registry does not
            answer), the reason of an override by which the champion serves (None without one), the moment that its
            online features stand for and that of the newest ones (ISO, UTC; None if unknown), and the end of the last
            run.
        features: States of the feature registry and of the online store.
        registry: Address and state.
        index: Address, state, and the number of items in each champion's collection.
    """
    home = settings.home
    registry = _registry_state(settings)
    names = _last_runs(home)
    releases = {name: _releases(settings, name, registry) for name in names}
    ages = {name: _ages(settings, name, release["champion"]) for name, release in releases.items()}
    form = home / "format"
    return {
        "home": str(home),
        "format": form.read_text().strip() if form.exists() else None,
        "bytes": _sizes(home),
        "services": running(settings),
        "datasets": {name: {**releases[name], **ages[name], "last_run": last} for name, last in names.items()},
        "features": _features(settings),
        "registry": {"uri": _public(settings.mlflow_uri), "state": registry},
        "index": _index(settings, {name: release["champion"] for name, release in releases.items()}),
    }


def status_text(state: dict[str, Any]) -> str:
    """Word the state for people."""
    if state["format"] is None:
        return f"{state['home']}: nothing here yet; `gatehouse run` makes the first release"
    sizes, features, registry, index = (state[part] for part in ("bytes", "features", "registry", "index"))
    sections = {
        "home": [f"{state['home']} (format {state['format']})"],
        "on disk": [", ".join(f"{part} {_size(size)}" for part, size in sizes.items())],
        "services": [f"{name}: {uri}" for name, uri in state["services"].items()]
        or ["none; `gatehouse up` starts them"],
        "datasets": [_dataset(name, entry) for name, entry in state["datasets"].items()]
        or ["none; `gatehouse run` makes the first release"],
        "features": [f"registry {features['registry']}, online store ({features['type']}) {features['online_store']}"],
        "registry": [f"{registry['uri']}: {registry['state']}"],
        "index": [f"{index['uri']}: {index['state']}"]
        + [f"{name}: {items:,} items" for name, items in index["collections"].items()],
    }
    lines = []
    for name, (first, *more) in sections.items():
        lines += [f"{name:<10}{first}", *(f"{'':<10}{line}" for line in more)]
    return "\n".join(lines)


def _dataset(name: str, entry: dict[str, Any]) -> str:
    last = f"last run {entry['last_run'] or 'unknown'}"
    if entry["versions"] is None:
        return f"{name}: releases unknown, {last}"
    until, newest = entry["features_as_of"], entry["newest_features"]
    behind = f", the newest {newest}" if until and newest and until < newest else ""
    features = f", features as of {until or 'unknown'}{behind}" if entry["champion"] else ""
    override = f" (serves by an override: {entry['override']})" if entry["override"] else ""
    return f"{name}: champion {entry['champion'] or 'none'}{override}, versions {entry['versions']}{features}, {last}"


def _sizes(home: Path) -> dict[str, int]:
    """Sum bytes by folder, largest first; files beside the folders are `other`."""
    sizes = {"other": 0}
    for top, _, names in os.walk(home):
        inside = Path(top).relative_to(home).parts
        part = inside[0] if inside else "other"
        for name in names:
            with suppress(FileNotFoundError):  # a run may be at work
                sizes[part] = sizes.get(part, 0) + (Path(top) / name).lstat().st_size
    ordered = dict(sorted(sizes.items(), key=lambda item: -item[1]))
    return {**ordered, "total": sum(sizes.values())}


def _last_runs(home: Path) -> dict[str, str | None]:
    """Find the datasets of a home, and the time of the newest asset of each."""
    last: dict[str, float] = {path.name: 0.0 for path in (home / "data").glob("*") if path.is_dir()}
    for events in (home / "values").glob("*/events.json"):
        dataset = json.loads(events.read_text())["dataset"]
        newest = max(value.stat().st_mtime for value in events.parent.glob("*.json"))
        last[dataset] = max(newest, last.get(dataset, 0.0))
    return {name: _iso(last[name]) if last[name] else None for name in sorted(last)}


def _registry_state(settings: Settings) -> str:
    uri = settings.mlflow_uri
    if uri.startswith("sqlite:///"):
        return THERE if Path(uri.removeprefix("sqlite:///")).exists() else NOTHING
    return THERE if listens(uri) else SILENT


def _releases(settings: Settings, dataset: str, registry: str) -> dict[str, Any]:
    """Ask for champion, its override and number of versions.

    MLflow, which takes seconds, is imported only if there is a registry.
    """
    if registry != THERE:
        return {"champion": None, "override": None, "versions": 0 if registry == NOTHING else None}
    asked = open_registry(settings, dataset)
    champion = asked.champion()
    return {"champion": champion, "override": override_of(asked, champion), "versions": len(asked.versions())}


def _ages(settings: Settings, dataset: str, champion: int | None) -> dict[str, str | None]:
    """Find the moments that the champion's online features and the newest ones stand for."""
    newest, found = newest_load(settings, dataset), None
    if champion:
        # A broken champion is named by the commands that need it, and does not stop this one.
        with suppress(OSError, LookupError, ValueError):
            schema = Schema.from_json(open_registry(settings, dataset).read_file(champion, "schema.json"))
            found = loaded_for(settings, schema)
    times = {"features_as_of": found, "newest_features": newest}
    return {name: time.isoformat() if time else None for name, time in times.items()}


def _features(settings: Settings) -> dict[str, str]:
    registry, store = settings.feast_home / "registry.db", settings.feast_home / "online.db"
    online = {"type": "sqlite", "online_store": THERE if store.exists() else NOTHING}
    if settings.online_store:
        online = {"type": str(settings.online_store["type"]), "online_store": "configured"}
    state = THERE if registry.exists() else NOTHING
    if settings.feature_registry:
        state = THERE if listens(settings.feature_registry) else SILENT
    return {"registry": state, **online}


def _index(settings: Settings, champions: dict[str, int | None]) -> dict[str, Any]:
    """Describe the index and count the items of the champions' collections."""
    uri, folder = settings.milvus_uri, settings.milvus_folder
    collections: dict[str, int] = {}
    if "://" in uri:
        state = THERE if listens(uri) else SILENT
    else:
        state = NOTHING if not folder.exists() else HELD if held(folder) else THERE
    names = [collection_name(dataset, version) for dataset, version in champions.items() if version]
    if state == THERE and names:
        # Opened for the shortest time: a Lite folder has one owner, and a run may want
        # it.
        with MilvusIndex(settings, Fields(types={})) as index:
            infos = {name: index.info(name) for name in names}
        collections = {name: info.rows if info else 0 for name, info in infos.items()}
    return {"uri": _public(uri), "state": state, "collections": collections}


def _public(uri: str) -> str:
    """Strip user and password from an address."""
    return re.sub(r"//[^/@]*@", "//", uri)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
