"""Preference between two interleaved variants.

Legend: Q users.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from serving.experiments.statistics.estimate import Estimate
from serving.experiments.statistics.means import mean


@dataclass(frozen=True, kw_only=True)
class Preference:
    """Share of users that clicked more items of one variant than of the other."""

    share: Estimate
    """Share that prefers the second variant; a user with equal clicks counts half."""
    for_first: int
    for_second: int
    ties: int
    p: float
    """Two-sided sign test of the users without ties."""


def preference(lead_Q: np.ndarray) -> Preference:
    """Sign test over users: one who clicks often counts once.

    Args:
        lead_Q: clicks on the second variant less clicks on the first, of each user who
            clicked.
    """
    for_first, for_second = int((lead_Q < 0).sum()), int((lead_Q > 0).sum())
    decided = for_first + for_second
    return Preference(
        share=mean((1 + np.sign(lead_Q)) / 2),
        for_first=for_first,
        for_second=for_second,
        ties=len(lead_Q) - decided,
        p=float(binomtest(for_second, decided).pvalue) if decided else 1.0,
    )
