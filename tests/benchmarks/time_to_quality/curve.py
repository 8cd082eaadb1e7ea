"""How good a system was after how many seconds of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Point:
    """After an epoch: seconds of training since the start, and Recall@20 of all users."""

    epoch: int
    seconds: float
    recall: float


Curve = Sequence[Point]
"""In the order of epochs."""


def first_past(curve: Curve, target: float) -> Point | None:
    """The earliest point that reaches the target; None where none does."""
    return next((point for point in curve if point.recall >= target), None)


def highest(curve: Curve) -> Point:
    """The best point, the earliest of equals. ValueError for a curve without points."""
    return max(curve, key=lambda point: point.recall)


def rank(curve: Curve, target: float) -> tuple[float, float]:
    """Higher is better: the sooner at the target, and among those that never are, the higher the best recall."""
    reached = first_past(curve, target)
    return (-reached.seconds if reached else -math.inf, highest(curve).recall)


def ratio(curve: Curve, ours: Curve, target: float) -> str:
    """Seconds to the target over ours; `> x` for a system that never reached it in x times our seconds."""
    reached, base = first_past(curve, target), first_past(ours, target)
    if base is None:
        return "-"
    return f"{reached.seconds / base.seconds:.1f}" if reached else f"> {curve[-1].seconds / base.seconds:.1f}"
