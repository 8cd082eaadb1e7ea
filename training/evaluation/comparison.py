"""Paired comparison of two systems on the same users, relative to one of them.

Legend: G users, M means, S resamples.
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import numpy as np

from training.evaluation.bootstrap import LEVEL, percentile_intervals

LARGEST = 1000.0
"""Relative lead over a system that finds nothing, which has no finite one."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One metric of the reference beside that of another system."""

    users: int
    value: float
    """Mean of the reference."""
    other: float
    """Mean of the other system."""
    error: float
    """Standard error of the mean difference, from the paired differences."""
    low: float
    """Lower bound of the 95 % interval of `value / other - 1`."""
    high: float
    """Upper bound."""

    @property
    def is_finite(self) -> bool:
        """Whether all numbers are finite: those of a single user are not."""
        return all(map(math.isfinite, astuple(self)))


def compare(
    values_GM: np.ndarray, others_GM: np.ndarray, means_SM: np.ndarray, other_means_SM: np.ndarray
) -> list[Comparison]:
    """Compare M metrics of two systems.

    The interval holds the resampled ratios, in which both means vary. Their percentiles
    decide like those of the difference `value - (1 + r) * other` for every r.

    Args:
        values_GM: values of the reference, by user.
        others_GM: values of the other system, the same users.
        means_SM: resampled means of the reference.
        other_means_SM: those of the other system in the same resamples.
    """
    users = len(values_GM)
    difference_GM = values_GM - others_GM
    # One user has no spread: an error of NaN decides nothing.
    errors_M = (
        difference_GM.std(axis=0, ddof=1) / np.sqrt(users) if users > 1 else np.full(difference_GM.shape[1], np.nan)
    )
    intervals = percentile_intervals(relative_lead(means_SM, other_means_SM), level=LEVEL)
    columns = zip(values_GM.mean(axis=0), others_GM.mean(axis=0), errors_M, intervals, strict=True)
    return [
        Comparison(users=users, value=float(value), other=float(other), error=float(error), low=low, high=high)
        for value, other, error, (low, high) in columns
    ]


def relative_lead(means: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Lead `means / others - 1`; beside 0, LARGEST for any lead and 0 for none."""
    without = np.where(means > 0, LARGEST, 0.0)
    return np.divide(means - others, others, out=without, where=others > 0)
