"""Recipes as JSON and back: an artifact of every version, and part of what decides one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from training.recipes import objective, optimisation, sampling, towers, weighting
from training.recipes.config import TrainConfig

TYPE = "type"
FORMER_TYPES = {"MLPScorer": "MLPReranker"}
"""Types by the names that stored recipes of earlier layouts have for them."""
FORMER_FIELDS = {
    "scorer": ("reranker",),
    **{name: ("negatives", name) for name in ("sampler", "hard", "memory", "hide_known", "all_negative", "frequency")},
    **{
        name: ("weighting", name)
        for name in ("half_life_days", "discovery_weight", "user_balance", "reward", "min_count")
    },
}
"""Fields of `TrainConfig`, likewise, with the paths to their present ones."""
GROUPS = {"negatives": sampling.Negatives, "weighting": weighting.Weighting}
"""Objects that hold several former fields."""


def to_json(config: TrainConfig) -> str:
    """Every field in order; each object says its type."""
    return json.dumps(_plain(config), indent=2)


def from_json(text: str) -> TrainConfig:
    """The recipe that `to_json` wrote; ValueError for a type that this version does not know."""
    config = _object(json.loads(text))
    if not isinstance(config, TrainConfig):
        raise ValueError(f"wanted the recipe of a training run, got a {type(config).__name__}")
    return config


def to_flat(config: TrainConfig) -> dict[str, Any]:
    """One entry for each value, by its dotted path, for a table of parameters."""
    return dict(_flat("", _plain(config)))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {TYPE: type(value).__name__} | {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple | list) else value


def _object(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_object(each) for each in value)
    if not isinstance(value, dict):
        return value
    parts = {name: _object(each) for name, each in value.items() if name != TYPE}
    if TYPE not in value:
        return parts
    types, name = _types(), FORMER_TYPES.get(value[TYPE], value[TYPE])
    if name not in types:
        raise ValueError(f"a recipe holds a {name!r}, which is none of {', '.join(sorted(types))}")
    if types[name] is TrainConfig:
        parts = _present(parts)
    return types[name](**parts)


def _present(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `TrainConfig` of any layout under their present names, in their present groups."""
    present: dict[str, Any] = {}
    grouped: dict[str, dict[str, Any]] = {}
    for name, value in parts.items():
        *group, field = FORMER_FIELDS.get(name, (name,))
        (grouped.setdefault(group[0], {}) if group else present)[field] = value
    return present | {group: GROUPS[group](**values) for group, values in grouped.items()}


def _types() -> dict[str, type]:
    """All declarations by their names."""
    modules = (objective, optimisation, sampling, towers, weighting)
    found = [each for module in modules for each in vars(module).values() if isinstance(each, type)]
    return {each.__name__: each for each in [TrainConfig, *found] if is_dataclass(each)}


def _flat(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        return [(prefix, value)]
    return [pair for name, each in value.items() for pair in _flat(f"{prefix}.{name}" if prefix else name, each)]
