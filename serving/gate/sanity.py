"""Rule on measures that show a broken model: each within its bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.gate.verdict import Judged, Outcome, RuleKind, worst

MEASURES = (
    "coverage", "gini", "top_share", "list_similarity", "popularity_correlation",
    *(f"{entity}_{name}" for entity in ("user", "item") for name in ("unusable", "cosine", "rank", "duplicates")),
)  # fmt: skip
"""Measures that every evaluation has."""


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Least and largest value of a measure; None for no bound."""

    at_least: float | None = None
    at_most: float | None = None

    def __str__(self) -> str:
        parts = [
            f"{words} {value:g}"
            for words, value in (("at least", self.at_least), ("at most", self.at_most))
            if value is not None
        ]
        return " and ".join(parts)

    def hold(self, value: float) -> bool:
        """Whether a value is within them."""
        low, high = self.at_least, self.at_most
        return (low is None or value >= low) and (high is None or value <= high)


def read_bounds(raw: Any) -> dict[str, Bounds]:
    """Read the bounds of a policy, by measure.

    Raises:
        ValueError: an unknown measure, or what is no number.
    """
    if not isinstance(raw, Mapping):
        raise ValueError(f"sanity is {raw!r}, wanted bounds by measure, like item_cosine: {{at_most: 0.95}}")
    if unknown := sorted(set(raw) - set(MEASURES)):
        raise ValueError(f"sanity: unknown measure {', '.join(unknown)}; known are {', '.join(MEASURES)}")
    return {name: _bounds(name, given) for name, given in raw.items()}


def judge_sanity(measures: Mapping[str, float | None] | None, bounds: Mapping[str, Bounds]) -> Judged:
    """Judge all measures that have bounds, in one sentence.

    Args:
        measures: by name, None where one is not defined for the data; None if nothing was measured.
        bounds: bounds by measure.
    """
    judged = [_measure(name, measures, each) for name, each in bounds.items()]
    numbers = {name: value for name, value in (measures or {}).items() if value is not None}
    text = f"sanity: {', '.join(text for _, text in judged)}"
    return Judged(RuleKind.SANITY, worst(outcome for outcome, _ in judged), text, numbers)


def _measure(name: str, measures: Mapping[str, float | None] | None, bounds: Bounds) -> tuple[Outcome, str]:
    if measures is None or name not in measures:
        return Outcome.UNDECIDED, f"{name} not measured ({bounds})"
    value = measures[name]
    # Nothing is wrong with lists that cannot differ; a number that is none is a fault.
    if value is None:
        return Outcome.PASSED, f"{name} not defined for this data ({bounds})"
    if not math.isfinite(value):
        return Outcome.UNDECIDED, f"{name} {value} ({bounds})"
    if bounds.hold(value):
        return Outcome.PASSED, f"{name} {value:.3g} ({bounds})"
    return Outcome.FAILED, f"{name} {value:.3g} is not {bounds}"


def _bounds(name: str, given: Any) -> Bounds:
    wanted = f"sanity: {name} is {given!r}, wanted at_least, at_most or both, as numbers"
    if not isinstance(given, Mapping) or not given or set(given) - {"at_least", "at_most"}:
        raise ValueError(wanted)
    if any(isinstance(each, bool) or not isinstance(each, int | float) or math.isnan(each) for each in given.values()):
        raise ValueError(wanted)
    return Bounds(**given)
