"""Sealed versions by what is stored of them: verdict, reasons, metrics."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from serving.http.champion import RegistryReader
from serving.registry.override import shown_override
from serving.registry.sqlite import open_registry
from serving.settings import Settings

Stored = dict[str, Any]
"""Stored facts of a version: version, created, verdict, override, reasons, metrics."""
VersionsReader = RegistryReader[list[Stored]]
MAIN = ("/recall@20", "/ndcg@20")
"""Ends of the metrics that stand for the others."""
SHOWN_DIGITS = 4
READ = 20
"""Most versions that are read."""


def versions_read(settings: Settings, dataset: str) -> Callable[[], list[Stored]]:
    """Read of the newest sealed versions, the newest first."""
    registry = open_registry(settings, dataset)

    def read() -> list[Stored]:
        sealed = [each for each in registry.listing().versions if each.outcome is not None][:READ]
        return [_stored(registry.read_text(each.version, "manifest.json"), each.tags) for each in sealed]

    return read


def _stored(manifest: str, tags: Mapping[str, str]) -> Stored:
    raw = json.loads(manifest)
    told = {name: raw[name] for name in ("version", "created", "metrics")}
    told |= {"verdict": raw["verdict"]["outcome"], "reasons": raw["verdict"]["reasons"]}
    return told | {"override": shown_override(tags)}


def pair(stored: Sequence[Stored], serves: int, wanted: str) -> tuple[Stored, Stored] | None:
    """Version that serves, and the one to compare it with; None without another.

    Args:
        stored: sealed versions, the newest first.
        serves: version that serves.
        wanted: number of the other version, or anything else for the newest.
    """
    own = next((each for each in stored if each["version"] == serves), None)
    others = [each for each in stored if each["version"] != serves]
    if own is None or not others:
        return None
    return own, next((each for each in others if str(each["version"]) == wanted), others[0])


def moved(own: Stored, other: Stored) -> list[dict[str, Any]]:
    """Stored metrics of two versions side by side, by name; the main ones are those of whole views."""
    found = []
    for name in own["metrics"].keys() & other["metrics"].keys():
        values = own["metrics"][name], other["metrics"][name]
        change = None if None in values else round(values[1] - values[0], SHOWN_DIGITS)
        is_main = name.count("/") == 1 and name.endswith(MAIN)
        found.append({"name": name, "is_main": is_main, "own": values[0], "other": values[1], "moved": change})
    return sorted(found, key=lambda metric: str(metric["name"]))
