"""Quality of a system over seconds of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Point:
    """Quality after an epoch."""

    epoch: int
    """Number of the epoch."""
    seconds: float
    """Seconds of training since the start."""
    recall: float
    """Recall@20 of all users."""


Curve = Sequence[Point]
"""In the order of epochs."""


def first_past(curve: Curve, target: float) -> Point | None:
    """Earliest point that reaches the target; None without one."""
    return next((point for point in curve if point.recall >= target), None)


def highest(curve: Curve) -> Point:
    """Best point, the earliest of equals.

    Raises:
        ValueError: a curve without points.
    """
    return max(curve, key=lambda point: point.recall)


def rank(curve: Curve, target: float) -> tuple[float, float]:
    """Rank of a curve: sooner at the target, else higher best recall."""
    reached = first_past(curve, target)
    return (-reached.seconds if reached else -math.inf, highest(curve).recall)


def ratio(curve: Curve, ours: Curve, target: float) -> str:
    """Seconds to the target over ours.

    `> x` if the system never reached it in x times our seconds.

    Args:
        curve: curve of the system.
        ours: curve of this trainer.
        target: the target.
    """
    reached, base = first_past(curve, target), first_past(ours, target)
    if base is None:
        return "-"
    return f"{reached.seconds / base.seconds:.1f}" if reached else f"> {curve[-1].seconds / base.seconds:.1f}"
