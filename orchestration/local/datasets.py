"""Datasets of a home, with the options of their last run.

The nights repeat them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feature_repo.whole_file import write_text
from serving.settings import Settings

REPEATED = ("dataset", "data", "recipe", "seed", "device", "choice_seconds", "baselines", "refit")
"""Options of a run that the next night has too."""


def remember(settings: Settings, name: str, config: Mapping[str, Any]) -> None:
    """Note a dataset that was run: its options, and that it is the current one.

    Args:
        settings: the home.
        name: name of the dataset.
        config: fields of `Workspace`.
    """
    from filelock import FileLock

    options = {option: config[option] for option in REPEATED if config.get(option) is not None}
    if "data" in options:
        options["data"] = str(Path(options["data"]).absolute())
    path = _file(settings)
    # Two runs of different datasets would else forget each other.
    with FileLock(path.with_name(f"{path.name}.lock")):
        write_text(path, json.dumps({**known(settings), name: options}, indent=1, sort_keys=True))
        write_text(settings.home / "current", name)


def known(settings: Settings) -> dict[str, dict[str, Any]]:
    """Options of the last run of each dataset, by name; empty before the first run."""
    path = _file(settings)
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def dataset_names(settings: Settings) -> list[str]:
    """Names of the datasets of a home, that of the last run first; of the first run too while it is at work."""
    path = settings.home / "current"
    last = path.read_text().strip() if path.exists() else None
    names = {each.name for each in (settings.home / "data").glob("*") if each.is_dir()}
    return sorted(names, key=lambda name: (name != last, name))


def _file(settings: Settings) -> Path:
    return settings.home / "datasets.json"
