"""Rule on the latency of the searcher that serves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.gate.verdict import Judged, Outcome, RuleKind

PERCENTILES = ("p50_ms", "p99_ms")
"""Percentiles of the searches of a round that are measured, in milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Time of searches for one user each, the same searches in several rounds."""

    searches: int
    """Searches of a round."""
    p50_ms: Sequence[float]
    """Median of each round."""
    p99_ms: Sequence[float]
    """99th percentile of each round."""
    machine: str
    """Words for the machine and for how busy it was."""
    is_busy: bool = False
    """Whether more wanted to run in the last minute than it has cores."""

    def best(self, percentile: str) -> float:
        """Percentile of the fastest round: what else a machine does only adds time. NaN without a round."""
        rounds: Sequence[float] = getattr(self, percentile)
        return min(rounds) if rounds and all(map(math.isfinite, rounds)) else math.nan


def read_latency(raw: Any) -> dict[str, float]:
    """Read the largest percentiles of a policy.

    Raises:
        ValueError: unknown keys, or what is no finite number above 0.
    """
    wanted = (
        f"latency is {raw!r}, wanted {' or '.join(PERCENTILES)} or both, as finite numbers above 0, like {{p99_ms: 50}}"
    )
    if not isinstance(raw, Mapping) or not raw or set(raw) - set(PERCENTILES):
        raise ValueError(wanted)
    if any(
        isinstance(each, bool) or not isinstance(each, int | float) or not 0 < each < math.inf for each in raw.values()
    ):
        raise ValueError(wanted)
    return dict(raw)


def judge_latency(latency: Latency | None, limits: Mapping[str, float]) -> Judged:
    """Judge the fastest round of each percentile, in one sentence.

    A limit that is missed fails, or is undecided on a busy machine.

    Args:
        latency: what was measured; None if nothing was.
        limits: largest percentiles, by name.
    """
    if latency is None:
        return Judged(RuleKind.LATENCY, Outcome.UNDECIDED, "latency of the searcher not measured")
    values = {name: latency.best(name) for name in limits}
    shown = ", ".join(f"{name[:3]} {values[name]:.2f} ms (at most {limit:g})" for name, limit in limits.items())
    text = (
        f"latency of the searcher: {shown}, in the fastest of {len(latency.p50_ms)} rounds of {latency.searches:,}"
        f" searches, on {latency.machine}"
    )
    numbers = {name.replace("_", " in "): value for name, value in values.items()}
    if not all(map(math.isfinite, values.values())):
        return Judged(RuleKind.LATENCY, Outcome.UNDECIDED, text, numbers)
    if all(values[name] <= limit for name, limit in limits.items()):
        return Judged(RuleKind.LATENCY, Outcome.PASSED, text, numbers)
    # Other work may have been in every round: that is no fault of the version, and its verdict is for good.
    return Judged(RuleKind.LATENCY, Outcome.UNDECIDED if latency.is_busy else Outcome.FAILED, text, numbers)
