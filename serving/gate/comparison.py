"""Paired comparison with another system, and what can be concluded from it.

All effects are relative to the other system: -0.02 is a loss of 2 %.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from functools import lru_cache
from statistics import NormalDist

STORED_LEVEL = 0.95
"""Level of the interval that an evaluation stores."""
POWER = 0.8
"""Probability with which a loss of the visible size is found."""
_NORMAL = NormalDist()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One metric of the challenger beside that of another system, on the same users."""

    users: int
    value: float
    """Mean of the challenger."""
    other: float
    """Mean of the other system."""
    error: float
    """Standard error of the mean difference, from the paired differences."""
    low: float
    """Lower bound of the 95 % bootstrap interval of `value / other - 1`."""
    high: float
    """Upper bound."""

    @property
    def is_measured(self) -> bool:
        """Whether all numbers are finite."""
        return self.users > 1 and all(map(math.isfinite, astuple(self)))

    @property
    def effect(self) -> float:
        """Relative difference. Beside a system that finds nothing, the upper bound for any lead."""
        if self.other > 0:
            return self.value / self.other - 1
        return self.high if self.value > 0 else 0.0

    @property
    def relative_error(self) -> float:
        """Standard error in shares of the other system."""
        return self.error / self.other if self.other > 0 else math.inf if self.error > 0 else 0.0

    def interval(self, level: float) -> tuple[float, float]:
        """Interval of another level: the arms of the stored one, scaled as a normal distribution's.

        Extreme percentiles of 1,000 resamples would rest on two or three of them. The
        arms keep the skew of the bootstrap, and means over many users are near normal.
        """
        scale = normal_bound(level) / normal_bound(STORED_LEVEL)
        # The stored percentiles of few users may leave the estimate itself out.
        below, above = max(self.effect - self.low, 0.0), max(self.high - self.effect, 0.0)
        return self.effect - below * scale, self.effect + above * scale

    def visible_loss(self, level: float) -> float:
        """Smallest relative loss that the interval of a level shows with probability POWER."""
        return (normal_bound(level) + _NORMAL.inv_cdf(POWER)) * self.relative_error

    def users_to_see(self, effect: float, level: float) -> int | None:
        """Users with whom a relative effect would be visible; None for no number of users.

        Args:
            effect: size of the effect.
            level: level of the interval.
        """
        if effect <= 0 or not math.isfinite(self.relative_error):
            return None
        return math.ceil(self.users * (self.visible_loss(level) / effect) ** 2)

    def chance_above(self, bound: float, effect: float, arms: float) -> float:
        """Probability that a point of the interval lies above a bound, for a true effect.

        Args:
            bound: the bound.
            effect: true relative effect.
            arms: position of the point in standard errors from the estimate.
        """
        if self.relative_error == 0:
            return float(effect >= bound)
        return _NORMAL.cdf((effect - bound) / self.relative_error + arms)


@lru_cache
def normal_bound(level: float) -> float:
    """Half width, in standard errors, of a two-sided normal interval."""
    return _NORMAL.inv_cdf((1 + level) / 2)


def corrected_level(level: float, comparisons: int) -> float:
    """Level of each of several intervals that all hold with probability `level` at least.

    Bonferroni's inequality [Dunn, 1961]: 1 - (1 - level) / comparisons.

    Args:
        level: probability that all intervals hold the true values.
        comparisons: number of intervals.
    """
    return 1 - (1 - level) / max(comparisons, 1)
