"""Number of epochs of a release, stored beside the recipe: a trial found it, and a refit repeats it."""

from __future__ import annotations

import json
from pathlib import Path

FILE = "training.json"


def write_passes(folder: Path, passes: int) -> None:
    """Write the number of epochs that the towers of a release were trained for."""
    (folder / FILE).write_text(json.dumps({"epochs": passes}), encoding="utf-8")


def read_passes(folder: Path) -> int:
    """Number of epochs that the towers of a release were trained for.

    Raises:
        FileNotFoundError: a release from before it was stored.
    """
    return int(json.loads((folder / FILE).read_text(encoding="utf-8"))["epochs"])
