"""The champion beside the newest other version that is sealed, by what is stored of both.

What moved in the lists of people would need a second engine, with a second model in
memory. The gate has compared the two on all users of the hold-out: its metrics and
reasons say more than one list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from serving.http.champion import RegistryReader
from serving.registry.sqlite import open_registry
from serving.settings import Settings

Stored = dict[str, Any]
"""Stored facts of a version: version, created, verdict, reasons, metrics."""
VersionsReader = RegistryReader[list[Stored]]
READ = 20
"""Most versions that are read."""


def versions_read(settings: Settings, dataset: str) -> Callable[[], list[Stored]]:
    """Read of the newest sealed versions, the newest first."""
    registry = open_registry(settings, dataset)

    def read() -> list[Stored]:
        sealed = [each for each in registry.listing().versions if each.outcome is not None][:READ]
        return [_stored(registry.read_text(each.version, "manifest.json")) for each in sealed]

    return read


def _stored(manifest: str) -> Stored:
    raw = json.loads(manifest)
    told = {name: raw[name] for name in ("version", "created", "metrics")}
    return told | {"verdict": raw["verdict"]["outcome"], "reasons": raw["verdict"]["reasons"]}


def beside(stored: Sequence[Stored], serves: int) -> dict[str, Any] | None:
    """Version that serves, the newest other one, and their metrics side by side; None without another.

    Args:
        stored: sealed versions, the newest first.
        serves: version that serves.
    """
    own = next((each for each in stored if each["version"] == serves), None)
    other = next((each for each in stored if each["version"] != serves), None)
    if own is None or other is None:
        return None
    metrics = []
    for name in sorted(own["metrics"].keys() & other["metrics"].keys()):
        pair = own["metrics"][name], other["metrics"][name]
        metrics.append(
            {"name": name, "own": pair[0], "other": pair[1], "moved": None if None in pair else pair[1] - pair[0]}
        )
    return {"own": own, "other": other, "metrics": metrics}
