"""What an experiment is: a planted world, what is measured in it, and what must hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number that every seed must place between `low` and `high`. negative: it shows where the method loses.
    remark: what to know when it does not hold."""

    name: str
    low: float = -math.inf
    high: float = math.inf
    negative: bool = False
    remark: str = ""

    def holds(self, values: list[float]) -> bool:
        return all(self.low <= value <= self.high for value in values)

    @property
    def accept(self) -> str:
        if math.isinf(self.low):
            return f"<= {self.high:g}"
        if math.isinf(self.high):
            return f">= {self.low:g}"
        return f"{self.low:g} .. {self.high:g}"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """measure: seed -> the value of each measure by its name. It may take further keywords, such as smaller sizes."""

    name: str
    measures: tuple[Measure, ...]
    measure: Callable[..., dict[str, float]]
