"""Compared systems: their settings, and the grids of their settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Settings = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class System:
    """One compared system."""

    title: str
    """Title of its rows."""
    settings: Mapping[str, Any]
    """Settings, unless others are given."""
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Values of each setting, in the order in which they are tried."""


IN_BATCH: Settings = {"temperature": 0.1, "rate": 0.01, "batch": 512, "epochs": 20}
IN_BATCH_GRID = {
    "temperature": (0.07, 0.1, 0.13, 0.17),
    "rate": (0.003, 0.01, 0.03),
    "batch": (256, 512, 1024),
    "epochs": (10, 20, 40),
}
BILATERAL: Settings = {"temperature": 0.12, "exponent": 1.22, "rate": 0.02, "epochs": 20, "steps": 117}
"""Settings of this trainer; plain PyTorch with the same loss has its own on the command
line. `steps` are those of an epoch, each of whole users, about as many as the recipe's."""
BILATERAL_GRID = {"steps": (30, 60, 117), "rate": (0.01, 0.02, 0.04), "epochs": (10, 20, 30)}

SYSTEMS = {
    "ours": System(title="this trainer", settings=BILATERAL, grid=BILATERAL_GRID),
    "full_softmax": System(
        title="PyTorch, the same loss as one matrix",
        settings=BILATERAL | {"precision": "float32"},
        grid={"precision": ("float32", "bfloat16")} | BILATERAL_GRID,
    ),
    "in_batch": System(title="PyTorch, in-batch with logQ", settings=IN_BATCH, grid=IN_BATCH_GRID),
    "tfrs_retrieval": System(title="TensorFlow Recommenders", settings=IN_BATCH, grid=IN_BATCH_GRID),
}


def walk(start: Settings, grid: Mapping[str, tuple[Any, ...]], rank: Callable[[Settings], Any]) -> Settings:
    """Best settings: each in turn takes its best value, the others at their best.

    Args:
        start: first settings.
        grid: values of each setting.
        rank: rank of some settings, higher is better; called once for each combination.
    """
    best, highest = start, rank(start)
    for name, values in grid.items():
        for settings in [best | {name: value} for value in values if value != best[name]]:
            if (found := rank(settings)) > highest:
                best, highest = settings, found
    return best


def overridden(settings: Settings, given: list[str]) -> Settings:
    """Settings with `name=value` of the command line, in the type of the old value."""
    changed = dict(settings)
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or name not in settings:
            raise ValueError(f"got {each!r}; wanted NAME=VALUE with one of {', '.join(settings)}")
        changed[name] = type(settings[name])(value)
    return changed
