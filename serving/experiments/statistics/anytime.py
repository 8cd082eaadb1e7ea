"""Asymptotic confidence sequences: intervals that hold at all looks together.

The boundary is that of Robbins' normal mixture [Howard et al., Annals of Statistics
2021], with the variance estimated [Waudby-Smith et al., arXiv:2103.06476,
theorem 2.2]:

    estimate ± error · sqrt((2 (tρ² + 1) / (tρ²)) · log(sqrt(tρ² + 1) / α))
"""

from __future__ import annotations

import math

from scipy.special import lambertw

from serving.experiments.statistics.estimate import LEVEL, Estimate, Interval


def anytime_interval(estimate: Estimate, *, tightest_at: int, level: float = LEVEL) -> Interval:
    """Interval that may be looked at after every user, with one error rate for all looks.

    Args:
        estimate: estimate from t users. Their outcomes are final: each user counts once.
        tightest_at: number of users at which the interval is tightest, fixed before the
            first look. Chosen anew at each look, it would lose the guarantee.
        level: probability that all intervals of the experiment hold the true value.
    """
    scaled = estimate.users * _rho_squared(tightest_at, 1 - level)
    factor = math.sqrt(2 * (scaled + 1) / scaled * math.log(math.sqrt(scaled + 1) / (1 - level)))
    return estimate.value - factor * estimate.error, estimate.value + factor * estimate.error


def _rho_squared(tightest_at: int, alpha: float) -> float:
    """Parameter ρ² whose boundary is tightest after a number of users.

    The derivative of the boundary by x = tρ² is 0 where (x + 1)·exp(-x) = α².
    """
    return float(-1 - lambertw(-(alpha**2) / math.e, k=-1).real) / tightest_at
