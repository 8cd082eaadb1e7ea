"""Names of stored values: several states in one file, under prefixes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")


def prefixed(prefix: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """Values with a prefix before the name of each."""
    return {f"{prefix}{name}": value for name, value in values.items()}


def part(prefix: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """Values whose names start with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
