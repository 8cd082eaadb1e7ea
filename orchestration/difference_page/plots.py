"""Plots of the page, as inline SVG in the colours of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 720
BARS_HEIGHT, BASE, LABELS = 170, 148, 18
ROW, LEFT, RIGHT = 22, 190, 130
"""Height of a row of the intervals, and the room for their names and numbers."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bar of a histogram, in the units of the drawing."""

    x: float
    y: float
    width: float
    height: float
    label: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """One interval of a forest plot, in the units of the drawing."""

    name: str
    y: float
    low: float
    middle: float
    high: float
    text: str
    side: str
    """`gain` or `loss` where the interval leaves out 0, else `open`."""


def bars(counts: Sequence[int]) -> list[Bar]:
    """Lay out a histogram over 0 to 1.

    Args:
        counts: counts of bins of equal width.
    """
    most, wide = max(max(counts), 1), WIDTH / len(counts)
    heights = [count / most * (BASE - LABELS) for count in counts]
    return [
        Bar(
            x=n * wide + 1,
            y=BASE - height,
            width=wide - 2,
            height=height,
            label=f"{n / len(counts):.0%}",
            count=count,
        )
        for n, (count, height) in enumerate(zip(counts, heights, strict=True))
    ]


def rows(intervals: Sequence[tuple[str, float, float, float]]) -> tuple[list[Row], float]:
    """Lay out intervals below each other, on one axis.

    Args:
        intervals: name, lower bound, estimate and upper bound of each.

    Returns:
        The rows, and the position of 0.
    """
    # A slice of a few users must not press all others flat.
    span = min(max((abs(each) for _, *bounds in intervals for each in bounds), default=0.0), 1.0) or 1.0
    middle, half = LEFT + (WIDTH - LEFT - RIGHT) / 2, (WIDTH - LEFT - RIGHT) / 2

    def at(value: float) -> float:
        return middle + max(-1.0, min(1.0, value / span)) * half

    found = [
        Row(
            name=name,
            y=(n + 0.5) * ROW,
            low=at(low),
            middle=at(estimate),
            high=at(high),
            text=f"{estimate:+.1%}",
            side="gain" if low > 0 else "loss" if high < 0 else "open",
        )
        for n, (name, low, estimate, high) in enumerate(intervals)
    ]
    return found, middle
