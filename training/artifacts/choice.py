"""Choice of a release's recipe, stored beside the recipe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from training.recipes import TrainConfig
from training.recipes.choice import Tried
from training.recipes.serialization import from_json, to_json

FILE = "choice.json"


def write_choice(folder: Path, asked: TrainConfig, tried: Sequence[Tried]) -> None:
    """Write the recipe that a choice began with, and what it tried.

    Args:
        folder: folder of the release.
        asked: recipe before the choice.
        tried: what was tried, in order.
    """
    parts = {"asked": json.loads(to_json(asked)), "tried": [asdict(each) for each in tried]}
    (folder / FILE).write_text(json.dumps(parts, indent=1), encoding="utf-8")


def read_choice(folder: Path) -> tuple[Tried, ...]:
    """Trials of a release's choice; empty for one without a choice."""
    path = folder / FILE
    if not path.is_file():
        return ()
    return tuple(Tried(**each) for each in json.loads(path.read_text(encoding="utf-8"))["tried"])


def asked_recipe(folder: Path) -> TrainConfig:
    """Recipe that a release was asked for: before the choice, where there was one."""
    path = folder / FILE
    if not path.is_file():
        return stored_recipe(folder)
    return from_json(json.dumps(json.loads(path.read_text(encoding="utf-8"))["asked"]))


def stored_recipe(folder: Path) -> TrainConfig:
    """Recipe that a release was trained by."""
    return from_json((folder / "recipe.json").read_text(encoding="utf-8"))
