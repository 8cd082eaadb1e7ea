"""The gate's policy: requirements on a challenger."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from serving.gate.drift import DriftLimits
from serving.gate.guard_policy import GuardPolicy, RefitPolicy, UpdatePolicy
from serving.gate.metric_names import SLICES, VIEWS, check_measured, check_paired
from serving.gate.sanity import Bounds

CHAMPION = "champion"
"""Name of the champion in rules that compare."""
FIELD = re.compile(r"(users|items)\.[A-Za-z_]\w*")
"""Fields whose values are slices, of users and of relevant items."""
LEAST_SLICE_USERS = 10
MAX_WINDOWS = 20


class Kind(StrEnum):
    """Claim of a rule about the challenger beside another system."""

    NON_INFERIORITY = "non_inferiority"
    """It loses less than the margin."""
    SUPERIORITY = "superiority"
    """It leads by more than the margin."""


class Undecided(StrEnum):
    """Outcome of a rule whose interval holds its bound."""

    UNDECIDED = "undecided"
    FAILED = "failed"
    PASSED = "passed"
    """Only a proven loss counts."""
    ESTIMATE = "estimate"
    """Judged by the estimate where there are too few users for an interval; else undecided."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Rule on the paired comparison with another system."""

    kind: Kind
    against: str
    """The champion or the name of a baseline."""
    metrics: tuple[str, ...]
    slices: tuple[str, ...] = ()
    """Slices in which each metric is compared, and fields for one slice by value; none for the whole view."""
    windows: int = 0
    """Consecutive windows of the hold-out in which each metric is compared; 0 for the hold-out as one."""
    margin: float = 0.0
    """Share of the other system's value."""
    undecided: Undecided = Undecided.UNDECIDED

    def __post_init__(self) -> None:
        name = f"{self.kind} against {self.against}"
        low, high = (-1.0, 100.0) if self.kind is Kind.SUPERIORITY else (0.0, 1.0)
        bounded(f"{name}: margin", self.margin, low, high)
        if self.bound <= -1:
            wanted = "more than -1" if self.kind is Kind.SUPERIORITY else "less than 1"
            raise ValueError(f"{name}: margin is {self.margin}, which no challenger can miss; wanted {wanted}")
        check_paired(name, self.metrics)
        if self.windows:
            bounded(f"{name}: windows", self.windows, 2, MAX_WINDOWS)
            if not isinstance(self.windows, int) or self.slices:
                raise ValueError(f"{name}: windows is {self.windows!r}, wanted a whole number, and no slices")
        if unknown := [each for each in self.slices if each not in SLICES and not FIELD.fullmatch(str(each))]:
            known = f"{', '.join(SLICES)}, and fields like items.department or users.age"
            raise ValueError(f"{name}: unknown slice {', '.join(map(str, unknown))}; known are {known}")

    @property
    def is_whole(self) -> bool:
        """Whether it is on whole views, over the whole hold-out."""
        return not self.slices and not self.windows

    @property
    def bound(self) -> float:
        """Relative effect that decides."""
        return self.margin if self.kind is Kind.SUPERIORITY else -self.margin

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields among the slices."""
        return tuple(each for each in self.slices if each not in SLICES)

    def names(self, metric: str) -> dict[str, str]:
        """Names of a metric by slice, without those by field."""
        view, plain = metric.split("/")
        return {
            each: f"{each}/{plain}" if each in VIEWS else f"{view}/{each}/{plain}"
            for each in self.slices
            if each in SLICES
        }


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Requirements on a challenger. The shipped gate.yaml explains each part."""

    level: float = 0.95
    """Level of the intervals, before the correction for several slices."""
    floors: Mapping[str, float] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    not_beaten: tuple[str, ...] = ()
    """Metrics in which no baseline may be better by more than chance."""
    index_recall: float
    min_holdout_users: int
    min_slice_users: int = 100
    latency: Mapping[str, float] = field(default_factory=dict)
    """Largest percentiles of a search, in milliseconds by name; empty for no rule."""
    parity: bool = True
    """Whether features and answers online must be those of the evaluation."""
    drift: DriftLimits | None = None
    """Limits of the drift of features; None for no rule."""
    sanity: Mapping[str, Bounds] = field(default_factory=dict)
    """Bounds of measures of lists and embeddings, by name."""
    refit: RefitPolicy = field(default_factory=RefitPolicy)
    """Refits of what has passed."""
    update: GuardPolicy = field(default_factory=UpdatePolicy)
    """Updates between two releases."""
    text: str = field(default="", compare=False)
    """The file that it was read from."""

    def __post_init__(self) -> None:
        bounded("level", self.level, 0.5, 0.999)
        for metric, floor in self.floors.items():
            bounded(f"floor of {metric}", floor, 0.0, 1.0)
        check_measured("floors", self.floors)
        check_paired("not_beaten", self.not_beaten)
        bounded("index_recall", self.index_recall, 0.0, 1.0)
        bounded("min_holdout_users", self.min_holdout_users, 1, 1_000_000_000)
        bounded("min_slice_users", self.min_slice_users, LEAST_SLICE_USERS, 1_000_000_000)
        if len({rule.windows for rule in self.rules if rule.windows}) > 1:
            raise ValueError("rules have different numbers of windows, wanted one for all")
        if not isinstance(self.parity, bool):
            raise ValueError(f"parity is {self.parity!r}, wanted true or false")

    @property
    def baselines(self) -> set[str]:
        """Baselines that rules name."""
        return {rule.against for rule in self.rules} - {CHAMPION}

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields that rules slice by, sorted."""
        return tuple(sorted({field for rule in self.rules for field in rule.fields}))

    @property
    def windows(self) -> int:
        """Number of windows that rules ask for; 0 for none."""
        return max((rule.windows for rule in self.rules), default=0)

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def bounded(name: str, value: Any, low: float, high: float) -> None:
    """Refuse what is no number from `low` to `high`.

    Args:
        name: name in the message.
        value: the value.
        low: least value.
        high: largest value.

    Raises:
        ValueError: it is none.
    """
    # A bool is an int for Python; `yes` in YAML must not become a floor of 1.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, wanted a number from {low:g} to {high:g}")
