"""Experiments: a planted world, measures in it, and their bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Number that every seed must place between `low` and `high`."""

    name: str
    """Name in the table."""
    low: float = -math.inf
    """Least accepted value."""
    high: float = math.inf
    """Largest accepted value."""
    negative: bool = False
    """Whether it shows a loss of the method."""
    remark: str = ""
    """Explanation for a reader, if it does not hold."""

    def holds(self, values: list[float]) -> bool:
        return all(self.low <= value <= self.high for value in values)

    @property
    def accept(self) -> str:
        if math.isinf(self.low) and math.isinf(self.high):
            return "for comparison"
        if math.isinf(self.low):
            return f"<= {self.high:g}"
        if math.isinf(self.high):
            return f">= {self.low:g}"
        return f"{self.low:g} .. {self.high:g}"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Planted world with its measures."""

    name: str
    """Name in the table."""
    measures: tuple[Measure, ...]
    """Measures and their bounds."""
    measure: Callable[..., dict[str, float]]
    """Function of a seed: values of the measures by name. It may accept further
    keywords, such as smaller sizes."""
