"""The gate's policy: requirements on a challenger, read from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Margin:
    """Margin rule: each metric lies above baseline · (1 + margin)."""

    baseline: str
    metrics: tuple[str, ...]
    margin: float = 0.0

    def __post_init__(self) -> None:
        _bounded(f"margin over {self.baseline}", self.margin, -1.0, 100.0)


@dataclass(frozen=True, kw_only=True)
class Regression:
    """Regression rule: each metric reaches that of the champion · (1 - max_drop)."""

    metrics: tuple[str, ...]
    max_drop: float

    def __post_init__(self) -> None:
        _bounded("regression.max_drop", self.max_drop, 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Requirements on a challenger. The shipped gate.yaml explains each part."""

    floors: Mapping[str, float] = field(default_factory=dict)
    margins: tuple[Margin, ...] = ()
    not_beaten: tuple[str, ...] = ()
    """Metrics in which no baseline may be better by more than chance."""
    regression: Regression
    index_recall: float
    min_holdout_users: int

    def __post_init__(self) -> None:
        for metric, floor in self.floors.items():
            _bounded(f"floor of {metric}", floor, 0.0, 1.0)
        _bounded("index_recall", self.index_recall, 0.0, 1.0)
        _bounded("min_holdout_users", self.min_holdout_users, 1, 1_000_000_000)

    @classmethod
    def load(cls, path: Path | None = None) -> Policy:
        """Read a policy file, by default the shipped one.

        ValueError for unknown or absent keys and wild values.
        """
        import yaml

        path = path or Path(__file__).parents[1] / "gate.yaml"
        try:
            raw = yaml.safe_load(path.read_text(encoding="utf-8"))
            margins = tuple(Margin(**{**part, "metrics": tuple(part["metrics"])}) for part in raw.pop("margins", ()))
            drop = raw.pop("regression")
            regression = Regression(**{**drop, "metrics": tuple(drop["metrics"])})
            not_beaten = tuple(raw.pop("not_beaten", ()))
            return cls(margins=margins, not_beaten=not_beaten, regression=regression, **raw)
        except (TypeError, KeyError, AttributeError, ValueError, yaml.YAMLError) as error:
            raise ValueError(f"gate policy {path}: {error}; serving/gate.yaml shows what is wanted") from error


def _bounded(name: str, value: Any, low: float, high: float) -> None:
    # A bool is an int for Python; `yes` in YAML must not become a floor of 1.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, wanted a number from {low:g} to {high:g}")
