"""The gate: measured quality in, a verdict with reasons out. Pure.

Every rule reports its numbers, met or not. A number that is missing or NaN was not measured, so its rule is undecided.
One failed rule fails the challenger; without a failure, one undecided rule leaves it undecided; neither is a pass.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

Metrics = Mapping[str, float]
"""Flat: `{view}/{metric}@{k}` or `{view}/{slice}/{metric}@{k}` -> value."""


class Outcome(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Verdict:
    """The gate's decision on one version. `reasons`: one sentence per rule, starting with that rule's own outcome."""

    outcome: Outcome
    reasons: tuple[str, ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Verdict:
        raw = json.loads(text)
        return cls(Outcome(raw["outcome"]), tuple(raw["reasons"]))


@dataclass(frozen=True, kw_only=True)
class Margin:
    """The challenger's metrics must lie above baseline · (1 + margin)."""

    baseline: str
    metrics: tuple[str, ...]
    margin: float = 0.0

    def __post_init__(self) -> None:
        _bounded(f"margin over {self.baseline}", self.margin, -1.0, 100.0)


@dataclass(frozen=True, kw_only=True)
class Regression:
    """The challenger's metrics must reach champion · (1 - max_drop)."""

    metrics: tuple[str, ...]
    max_drop: float

    def __post_init__(self) -> None:
        _bounded("regression.max_drop", self.max_drop, 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a challenger must show. See gate.yaml for the meaning of each part."""

    floors: Mapping[str, float] = field(default_factory=dict)
    margins: tuple[Margin, ...] = ()
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
        """Read a policy file; None reads the shipped one. ValueError on unknown keys, absent keys and wild values."""
        import yaml

        path = path or Path(__file__).with_name("gate.yaml")
        try:
            raw = yaml.safe_load(path.read_text(encoding="utf-8"))
            margins = tuple(Margin(**{**part, "metrics": tuple(part["metrics"])}) for part in raw.pop("margins", ()))
            drop = raw.pop("regression")
            regression = Regression(**{**drop, "metrics": tuple(drop["metrics"])})
            return cls(margins=margins, regression=regression, **raw)
        except (TypeError, KeyError, AttributeError, ValueError, yaml.YAMLError) as error:
            raise ValueError(f"gate policy {path}: {error}; serving/gate.yaml shows what is wanted") from error


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the gate must know beside metrics. cut: when the challenger's hold-out begins. champion_cut: until when the
    champion was trained; None without a champion."""

    holdout_users: int
    cut: datetime
    champion_cut: datetime | None = None


def decide(
    challenger: Metrics,
    champion: Metrics | None,
    baselines: Mapping[str, Metrics],
    index_recall: float,
    policy: Policy,
    *,
    facts: Facts,
) -> Verdict:
    """Judge a challenger.

    challenger, champion: exact-search metrics of the two on the same hold-out; champion None if there is none yet.
    baselines: metrics by system name. index_recall: share of the exact top items that the built index returns.
    """
    rules = [
        _enough_users(facts, policy),
        *(_floor(challenger, metric, floor) for metric, floor in policy.floors.items()),
        *(rule for margin in policy.margins for rule in _margin(challenger, baselines, margin)),
        *_regression(challenger, champion, policy.regression, facts),
        _compare("index recall", index_recall, policy.index_recall, f"floor {policy.index_recall:.4f}"),
    ]
    outcomes = {outcome for outcome, _ in rules}
    worst = next((o for o in (Outcome.FAILED, Outcome.UNDECIDED) if o in outcomes), Outcome.PASSED)
    return Verdict(worst, tuple(f"{outcome}: {reason}" for outcome, reason in rules))


Rule = tuple[Outcome, str]


def _enough_users(facts: Facts, policy: Policy) -> Rule:
    enough = facts.holdout_users >= policy.min_holdout_users
    text = f"{facts.holdout_users:,} users in the hold-out, at least {policy.min_holdout_users:,} wanted"
    return Outcome.PASSED if enough else Outcome.UNDECIDED, text


def _floor(challenger: Metrics, metric: str, floor: float) -> Rule:
    return _compare(metric, challenger.get(metric), floor, f"floor {floor:.4f}")


def _margin(challenger: Metrics, baselines: Mapping[str, Metrics], rule: Margin) -> Iterator[Rule]:
    """Strictly above: a challenger that retrieves nothing does not pass beside a baseline that retrieves nothing."""
    for metric in rule.metrics:
        value = baselines.get(rule.baseline, {}).get(metric)
        wanted = None if value is None else value * (1 + rule.margin)
        against = f"{rule.baseline} {_shown(value)}, margin {rule.margin:+.1%}"
        yield _compare(metric, challenger.get(metric), wanted, against, strict=True)


def _regression(challenger: Metrics, champion: Metrics | None, rule: Regression, facts: Facts) -> Iterator[Rule]:
    if champion is None:
        yield Outcome.PASSED, "no champion to compare with"
    elif facts.champion_cut is None or facts.champion_cut > facts.cut:
        until = facts.champion_cut or "an unknown time"
        yield (
            Outcome.UNDECIDED,
            f"the champion was trained until {until}, past the hold-out's start {facts.cut}",
        )
    else:
        for metric in rule.metrics:
            value = champion.get(metric)
            wanted = None if value is None else value * (1 - rule.max_drop)
            against = f"champion {_shown(value)}, drop of at most {rule.max_drop:.1%}"
            yield _compare(metric, challenger.get(metric), wanted, against)


def _compare(name: str, value: float | None, wanted: float | None, against: str, *, strict: bool = False) -> Rule:
    text = f"{name} {_shown(value)} against {against}"
    if value is None or wanted is None or not (math.isfinite(value) and math.isfinite(wanted)):
        return Outcome.UNDECIDED, text
    met = value > wanted if strict else value >= wanted
    return Outcome.PASSED if met else Outcome.FAILED, text


def _shown(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"


def _bounded(name: str, value: Any, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, wanted a number from {low:g} to {high:g}")
