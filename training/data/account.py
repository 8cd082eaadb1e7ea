"""Account of impressions: how many are learned from, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import polars as pl

from training.data.clicks import WITHIN


@dataclass(frozen=True, kw_only=True)
class Account:
    """Account of the impressions: each is kept, or left out for one reason."""

    impressions: int
    """Impressions of the data."""
    kept: int
    """Impressions to learn from."""
    answers: int
    """Answers that they are of."""
    left_out: Mapping[str, int]
    """Other impressions by reason."""
    clicks: int
    """Clicked impressions."""
    clicks_unknown: int
    """Impressions whose click the data do not say, so that interactions decide."""
    without_position: int
    """Impressions whose position is unknown."""
    without_propensity: int
    """Impressions whose propensity is unknown."""
    randomised: int | None
    """Answers with items in random order; None if the data do not tell them."""
    age_days: float
    """Median age of the user snapshot at the answer, in days."""

    def lines(self) -> Iterator[str]:
        """Lines for a report."""
        yield f"{self.kept:,} of {self.impressions:,} impressions in {self.answers:,} answers, {self.clicks:,} clicked"
        yield from (f"left out: {count:,} impressions {reason}" for reason, count in self.left_out.items() if count)
        if self.clicks_unknown:
            hours = WITHIN.total_seconds() / 3600
            yield f"{self.clicks_unknown:,} without a click in the data: an interaction within {hours:g} hours is one"
        yield f"{self.without_position:,} without a position, {self.without_propensity:,} without a propensity"
        if self.randomised is not None:
            yield f"{self.randomised:,} answers with items in random order"
        yield f"half of the answers meet user features older than {self.age_days:.1f} days"


@dataclass
class Left:
    """Impressions that are left, and the number of the others by reason."""

    rows: pl.DataFrame
    count: dict[str, int] = field(default_factory=dict)

    def keep(self, which: pl.Expr, reason: str) -> None:
        """Leave out the other rows, for a reason."""
        kept = self.rows.filter(which)
        self.count[reason] = self.rows.height - kept.height
        self.rows = kept
