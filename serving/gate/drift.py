"""Rule on drift: features whose distribution moved since the reference was trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.gate.verdict import Judged, Outcome, RuleKind


@dataclass(frozen=True, kw_only=True)
class Drifted:
    """Drift of one feature."""

    index: float
    """Population stability index."""
    chance: float
    """Index that two samples of one distribution would have on average."""

    @property
    def beyond_chance(self) -> float:
        """The index without what chance explains."""
        return self.index - self.chance


@dataclass(frozen=True, kw_only=True)
class DriftLimits:
    """Indices beyond chance above which a feature is named, or fails."""

    note: float
    """Above it, the sentence names the feature."""
    fail: float | None = None
    """Above it, the rule fails; None for never."""


def read_limits(raw: Any) -> DriftLimits:
    """Read the limits of a policy.

    Raises:
        ValueError: unknown keys, what is no positive number, or a limit of failing below that of noting.
    """
    wanted = f"drift is {raw!r}, wanted note and maybe fail above it, as numbers above 0, like {{note: 0.25}}"
    if not isinstance(raw, Mapping) or "note" not in raw or set(raw) - {"note", "fail"}:
        raise ValueError(wanted)
    if any(
        isinstance(each, bool) or not isinstance(each, int | float) or not 0 < each < math.inf for each in raw.values()
    ):
        raise ValueError(wanted)
    # Only what is noted can fail: a lower limit would never be asked.
    if raw.get("fail", math.inf) < raw["note"]:
        raise ValueError(wanted)
    return DriftLimits(**raw)


def judge_drift(drift: Mapping[str, Drifted] | None, against: str, limits: DriftLimits) -> Judged:
    """Judge the drift of all features, in one sentence.

    A noted drift passes: the version was trained on what the data are now, and refusing it
    would keep the one that was not.

    Args:
        drift: by feature; None if it was not measured.
        against: words for the reference.
        limits: limits of the policy.
    """
    if drift is None:
        return Judged(RuleKind.DRIFT, Outcome.UNDECIDED, "drift of the features not measured")
    if not drift:
        outcome = Outcome.UNDECIDED if limits.fail is not None else Outcome.PASSED
        return Judged(RuleKind.DRIFT, outcome, "no feature whose drift could be measured")
    numbers = {f"drift of {name}": each.index for name, each in drift.items()}
    odd = [name for name, each in drift.items() if not math.isfinite(each.beyond_chance)]
    if odd:
        return Judged(RuleKind.DRIFT, Outcome.UNDECIDED, f"drift of {', '.join(odd)} is no number", numbers)
    moved = {name: each for name, each in drift.items() if each.beyond_chance > limits.note}
    failed = {name for name, each in moved.items() if limits.fail is not None and each.beyond_chance > limits.fail}
    outcome = Outcome.FAILED if failed else Outcome.PASSED
    named = sorted(moved, key=lambda name: -moved[name].beyond_chance)
    shown = ", ".join(f"{name} {moved[name].index:.2f} ({moved[name].chance:.2f} by chance)" for name in named)
    limit = f"{limits.fail:g} allowed" if limits.fail is not None else "noted, which passes"
    words = f"{len(moved)} of {len(drift)} features moved by more than {limits.note:g} against {against}"
    text = (
        f"{words}: {shown}; {limit}"
        if moved
        else f"none of {len(drift)} features moved by more than {limits.note:g} against {against}"
    )
    return Judged(RuleKind.DRIFT, outcome, text, {**numbers, "features that moved": len(moved)})
