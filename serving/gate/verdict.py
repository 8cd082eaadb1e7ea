"""The verdict of the gate: an outcome with reasons, stored with the version."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """Outcome of one rule, or of all."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


class RuleKind(StrEnum):
    """Kinds of rules, in the order of a verdict."""

    USERS = "users"
    FLOORS = "floors"
    SUPERIORITY = "superiority"
    NOT_BEATEN = "not_beaten"
    NON_INFERIORITY = "non_inferiority"
    SLICES = "slices"
    WINDOWS = "windows"
    INDEX_RECALL = "index_recall"
    LATENCY = "latency"
    PARITY = "parity"
    SANITY = "sanity"
    DRIFT = "drift"
    BIAS = "bias"


@dataclass(frozen=True)
class Judged:
    """Outcome of one rule, with its sentence and the numbers behind it."""

    kind: RuleKind
    outcome: Outcome
    text: str
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RuleNumbers:
    """Kind and numbers of one reason of a verdict."""

    kind: RuleKind
    numbers: Mapping[str, float]
    """Finite ones alone: a manifest stores no others."""


@dataclass(frozen=True, kw_only=True)
class PolicyText:
    """The policy file that a version was judged by."""

    text: str
    sha256: str


@dataclass(frozen=True)
class Verdict:
    """The gate's decision on one version."""

    outcome: Outcome
    reasons: tuple[str, ...]
    """One sentence per rule, which begins with the outcome of that rule."""
    policy: PolicyText | None = None
    """None in verdicts from before it was stored."""
    rules: tuple[RuleNumbers, ...] = ()
    """One for each reason; empty in verdicts from before they were stored."""

    @property
    def unmet(self) -> tuple[str, ...]:
        """Reasons of the rules that failed or are undecided."""
        return tuple(each for each in self.reasons if not each.startswith(Outcome.PASSED.value))

    @classmethod
    def of(cls, judged: Iterable[Judged], policy: PolicyText | None) -> Verdict:
        """Put the outcomes of all rules together.

        Args:
            judged: the rules.
            policy: the file that they come from.
        """
        every = tuple(judged)
        return cls(
            worst(each.outcome for each in every),
            tuple(f"{each.outcome}: {each.text}" for each in every),
            policy,
            tuple(RuleNumbers(each.kind, _finite(each.numbers)) for each in every),
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Verdict:
        raw = json.loads(text)
        policy = raw.get("policy")
        rules = tuple(RuleNumbers(RuleKind(each["kind"]), each["numbers"]) for each in raw.get("rules", ()))
        return cls(Outcome(raw["outcome"]), tuple(raw["reasons"]), PolicyText(**policy) if policy else None, rules)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Outcome of several rules together."""
    found = set(outcomes)
    # Failed before undecided: a missing number must not hide a rule that was broken.
    return next((each for each in (Outcome.FAILED, Outcome.UNDECIDED) if each in found), Outcome.PASSED)


def _finite(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: float(each) for name, each in numbers.items() if math.isfinite(each)}
