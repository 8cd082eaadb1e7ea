"""The verdict: an outcome with reasons, stored with the version."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum


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
