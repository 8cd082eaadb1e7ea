"""`gatehouse status`: what is on disk in a home folder, and what runs. It changes nothing."""

from __future__ import annotations

import json
import os
import re
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestration.local.services import held, running
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.registry import Registry
from serving.release.manifest import collection_name
from serving.settings import Settings

THERE, NOTHING, SILENT, HELD = "there", "nothing yet", "does not answer", "held by another process"


def status(settings: Settings) -> dict[str, Any]:
    """The state of a home, ready for JSON.

    home: its path; format: None if there is nothing; bytes: size by part and in total; services: address by name of
    what `gatehouse up` runs; datasets: by name the champion, the number of complete versions (both None if the registry
    does not answer) and the end of the last run (ISO, UTC); features: states of the feature registry and the online
    store; registry, index: address and state, and for the index the items in each champion's collection.
    """
    home = settings.home
    registry = _registry_state(settings)
    names = _last_runs(home)
    releases = {name: _releases(settings, name, registry) for name in names}
    form = home / "format"
    return {
        "home": str(home),
        "format": form.read_text().strip() if form.exists() else None,
        "bytes": _sizes(home),
        "services": running(settings),
        "datasets": {name: {**releases[name], "last_run": last} for name, last in names.items()},
        "features": _features(settings),
        "registry": {"uri": _public(settings.mlflow_uri), "state": registry},
        "index": _index(settings, {name: release["champion"] for name, release in releases.items()}),
    }


def status_text(state: dict[str, Any]) -> str:
    """The same for people."""
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
    return f"{name}: champion {entry['champion'] or 'none'}, versions {entry['versions']}, {last}"


def _sizes(home: Path) -> dict[str, int]:
    """Bytes by folder of the home, largest first, files beside them as `other`, and the total."""
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
    """Datasets that this home has worked on, and when the last asset of each was materialised."""
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
    return THERE if _reachable(uri) else SILENT


def _releases(settings: Settings, dataset: str, registry: str) -> dict[str, int | None]:
    """Champion and number of versions. Imports MLflow, which takes seconds, only where there is a registry to ask."""
    if registry != THERE:
        return {"champion": None, "versions": 0 if registry == NOTHING else None}
    asked = Registry(settings, dataset)
    return {"champion": asked.champion(), "versions": len(asked.versions())}


def _features(settings: Settings) -> dict[str, str]:
    registry, store = settings.feast_home / "registry.db", settings.feast_home / "online.db"
    online = {"type": "sqlite", "online_store": THERE if store.exists() else NOTHING}
    if settings.online_store:
        online = {"type": str(settings.online_store["type"]), "online_store": "configured"}
    return {"registry": THERE if registry.exists() else NOTHING, **online}


def _index(settings: Settings, champions: dict[str, int | None]) -> dict[str, Any]:
    """Where the index is, and how many items the champions' collections hold."""
    uri, folder = settings.milvus_uri, settings.milvus_folder
    collections: dict[str, int] = {}
    if "://" in uri:
        state = THERE if _reachable(uri) else SILENT
    else:
        state = NOTHING if not folder.exists() else HELD if held(folder) else THERE
    names = [collection_name(dataset, version) for dataset, version in champions.items() if version]
    if state == THERE and names:
        with MilvusIndex(settings, Fields(types={})) as index:
            infos = {name: index.info(name) for name in names}
        collections = {name: info.rows if info else 0 for name, info in infos.items()}
    return {"uri": _public(uri), "state": state, "collections": collections}


def _reachable(uri: str) -> bool:
    """Whether somebody listens there. True where the address tells no port: the client that knows it will say."""
    address = urlsplit(uri)
    port = address.port or {"http": 80, "https": 443}.get(address.scheme)
    if address.hostname is None or port is None:
        return True
    try:
        with socket.create_connection((address.hostname, port), timeout=1):
            return True
    except OSError:
        return False


def _public(uri: str) -> str:
    """The address without user and password."""
    return re.sub(r"//[^/@]*@", "//", uri)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
