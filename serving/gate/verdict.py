"""The verdict of the gate: an outcome with reasons, stored with the version."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """Outcome of one rule, or of all."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Verdict:
    """The gate's decision on one version."""

    outcome: Outcome
    reasons: tuple[str, ...]
    """One sentence per rule, which begins with the outcome of that rule."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Verdict:
        raw = json.loads(text)
        return cls(Outcome(raw["outcome"]), tuple(raw["reasons"]))
