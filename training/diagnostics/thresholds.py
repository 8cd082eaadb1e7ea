"""Thresholds of the diagnosis."""

from __future__ import annotations

from dataclasses import dataclass

from training.recipes.validation import at_least_one, positive, shares


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Bounds of an effect, of enough swaps, and of enough precision."""

    significance: float = 0.01
    """p-value below which clicks depend on the position. About this share of the logs without
    a bias is advised to correct one."""
    least_effect: float = 0.05
    """Difference of the examination, relative to the first position, below which a bias is
    not worth a model: in a large log any difference is significant."""
    precision: float = 0.2
    """Widest half of a 95 % interval of the relative examination."""
    least_swaps: int = 5
    """Units shown at two positions below which the two are not compared. Whether the swaps
    of all pairs suffice is a question of `precision`."""
    least_impressions: int = 100
    """Impressions below which a position is left out."""
    least_users: int = 30
    """Users below which no interval over users is believed."""
    least_overlap: float = 0.1
    """Overlap of the features at two positions below which they do not connect the two.
    The same features have 1, disjoint ones 0."""
    most_dependence: float = 0.3
    """Correlation of order and relevance above which features alone do not identify: what
    the model of relevance misses would pass for a bias. Swaps need no such bound."""
    resamples: int = 200
    """Resamples of the users for intervals."""

    def __post_init__(self) -> None:
        positive(self, significance=self.significance, precision=self.precision)
        shares(self, least_effect=self.least_effect, least_overlap=self.least_overlap)
        shares(self, most_dependence=self.most_dependence)
        at_least_one(self, least_swaps=self.least_swaps, least_users=self.least_users)
        at_least_one(self, least_impressions=self.least_impressions)
        if self.resamples < 2:
            raise ValueError(f"Thresholds.resamples is {self.resamples}; wanted at least 2, for a standard error")
