"""The verdict of the gate: an outcome with reasons, stored with the version."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """Outcome of one rule, or of all."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


Judged = tuple[Outcome, str]
"""Outcome of one rule, with its sentence."""


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

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Verdict:
        raw = json.loads(text)
        policy = raw.get("policy")
        return cls(Outcome(raw["outcome"]), tuple(raw["reasons"]), PolicyText(**policy) if policy else None)


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Outcome of several rules together."""
    found = set(outcomes)
    # Failed before undecided: a missing number must not hide a rule that was broken.
    return next((each for each in (Outcome.FAILED, Outcome.UNDECIDED) if each in found), Outcome.PASSED)
