"""A finding of the doctor, and its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serving.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that is half-done or wrong."""

    about: str
    """Dataset, or part of the home."""
    problem: str
    way_out: str


def findings_text(settings: Settings, findings: Sequence[Finding]) -> str:
    """Word findings for people."""
    if not findings:
        return f"{settings.home}: nothing is half-done or wrong"
    return "\n".join(f"{each.about}: {each.problem}\n    -> {each.way_out}" for each in findings)
