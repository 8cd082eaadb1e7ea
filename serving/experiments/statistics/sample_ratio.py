"""Sample-ratio mismatch: have the variants the users that the weights give them?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scipy.stats import chisquare

LIMIT = 0.001
"""p-value below which the numbers of users do not fit the weights."""
_MIN_EXPECTED = 5
"""Users of a variant that the chi-square approximation needs."""


@dataclass(frozen=True, kw_only=True)
class SampleRatio:
    """Numbers of users beside those that the weights lead one to expect."""

    users: dict[str, int]
    expected: dict[str, float]
    p: float | None
    """Probability of a deviation at least this large by chance; None for too few users."""
    mismatch: bool
    """Whether the deviation is more than chance."""


def sample_ratio(users: Mapping[str, int], propensities: Mapping[str, float]) -> SampleRatio:
    """Chi-square test of the numbers of users.

    Args:
        users: number of users by variant.
        propensities: probability by variant, with a sum of 1.
    """
    total = sum(users.values())
    expected = {name: total * share for name, share in propensities.items()}
    counts = {name: users.get(name, 0) for name in propensities}
    p = None
    if min(expected.values()) >= _MIN_EXPECTED:
        p = float(chisquare(list(counts.values()), list(expected.values())).pvalue)
    return SampleRatio(users=counts, expected=expected, p=p, mismatch=p is not None and p < LIMIT)
