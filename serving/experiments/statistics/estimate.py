"""Estimate with its standard error, and what follows from both."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

LEVEL = 0.95
"""Share of the intervals that hold the true value."""
POWER = 0.8
"""Probability with which an effect of the detectable size is found."""
Interval = tuple[float, float]
"""Lower and upper bound."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Asymptotically normal estimate from independent users."""

    value: float
    error: float
    """Standard error."""
    users: int

    def interval(self, level: float = LEVEL) -> Interval:
        """Interval for one look at a number of users that was fixed in advance."""
        width = self.error * float(ndtri((1 + level) / 2))
        return self.value - width, self.value + width


def difference(treated: Estimate, baseline: Estimate) -> Estimate:
    """Difference of two estimates from different users."""
    return Estimate(
        value=treated.value - baseline.value,
        error=math.hypot(treated.error, baseline.error),
        users=treated.users + baseline.users,
    )


def relative_difference(treated: Estimate, baseline: Estimate) -> Estimate:
    """Difference in shares of the baseline, by the delta method.

    Raises:
        ValueError: the baseline is not clearly above 0, so that a share of it means
            nothing.
    """
    if not baseline.interval()[0] > 0:
        raise ValueError(f"baseline {baseline.value:.4g} with error {baseline.error:.4g}; wanted one clearly above 0")
    ratio = treated.value / baseline.value
    # Both means vary: an error of the treated one alone would be too small.
    error = math.hypot(treated.error, ratio * baseline.error) / baseline.value
    return Estimate(value=ratio - 1, error=error, users=treated.users + baseline.users)


def detectable(error: float, *, level: float = LEVEL, power: float = POWER) -> float:
    """Smallest true difference that one look finds with a given probability.

    Args:
        error: standard error of the difference.
        level: level of the interval.
        power: probability to find it.
    """
    return error * float(ndtri((1 + level) / 2) + ndtri(power))


def power_of(effect: float, error: float, *, level: float = LEVEL) -> float:
    """Probability that the interval of one look leaves 0 out.

    Args:
        effect: true difference.
        error: standard error of the difference.
        level: level of the interval.
    """
    bound, shift = ndtri((1 + level) / 2), effect / error
    return float(ndtr(shift - bound) + ndtr(-shift - bound))
