"""Recipes as JSON and back; the JSON is an artifact of every version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from training.recipes import bias_models, impressions, objective, optimisation, policy, sampling, towers, weighting
from training.recipes.config import TrainConfig

TYPE = "type"
"""Key of an object's type."""
FORMER_TYPES = {"MLPScorer": "MLPReranker"}
"""Types by their names in recipes stored by earlier versions."""
FORMER_FIELDS = {
    "scorer": ("reranker",),
    **{name: ("negatives", name) for name in ("sampler", "hard", "memory", "hide_known", "all_negative", "frequency")},
    **{
        name: ("weighting", name)
        for name in ("half_life_days", "discovery_weight", "user_balance", "reward", "min_count")
    },
}
"""Paths of the fields of `TrainConfig` by their names in stored recipes."""
FORMER_VALUES = {"ImpressionTask": {"clicks_once": False}}
"""What the fields that earlier versions did not store stood for, where the default is another one."""
GROUPS = {"negatives": sampling.Negatives, "weighting": weighting.Weighting}
"""Objects that hold several former fields."""


def to_json(config: TrainConfig) -> str:
    """JSON of a recipe: every field in order, and the type of each object."""
    return json.dumps(_plain(config), indent=2)


def from_json(text: str) -> TrainConfig:
    """Read the JSON of `to_json`.

    Raises:
        ValueError: a type that this version does not know, or no `TrainConfig`.
    """
    config = _object(json.loads(text))
    if not isinstance(config, TrainConfig):
        raise ValueError(f"wanted the recipe of a training run, got a {type(config).__name__}")
    return config


def to_flat(config: TrainConfig) -> dict[str, Any]:
    """Values of a recipe by their dotted paths, for a table of parameters."""
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
    # Only declarations have a type; an object without one is a mapping, as of a loss's
    # parameters.
    if TYPE not in value:
        return parts
    types, name = _types(), FORMER_TYPES.get(value[TYPE], value[TYPE])
    if name not in types:
        raise ValueError(f"a recipe holds a {name!r}, which is none of {', '.join(sorted(types))}")
    if types[name] is TrainConfig:
        parts = _present(parts)
    return types[name](**FORMER_VALUES.get(name, {}) | parts)


def _present(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a stored `TrainConfig` under their present names and groups."""
    present: dict[str, Any] = {}
    grouped: dict[str, dict[str, Any]] = {}
    for name, value in parts.items():
        *group, field = FORMER_FIELDS.get(name, (name,))
        (grouped.setdefault(group[0], {}) if group else present)[field] = value
    return present | {group: GROUPS[group](**values) for group, values in grouped.items()}


def _types() -> dict[str, type]:
    """All declarations by their names."""
    modules = (bias_models, impressions, objective, optimisation, policy, sampling, towers, weighting)
    found = [each for module in modules for each in vars(module).values() if isinstance(each, type)]
    return {each.__name__: each for each in [TrainConfig, *found] if is_dataclass(each)}


def _flat(prefix: str, value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        return [(prefix, value)]
    return [pair for name, each in value.items() for pair in _flat(f"{prefix}.{name}" if prefix else name, each)]
