"""Means and ratios over users, with standard errors.

Legend: Q users.
"""

from __future__ import annotations

import numpy as np

from serving.experiments.statistics.estimate import Estimate


def mean(values_Q: np.ndarray) -> Estimate:
    """Mean over users.

    Raises:
        ValueError: fewer than two users, which have no standard error.
    """
    if len(values_Q) < 2:
        raise ValueError(f"got {len(values_Q)} users; wanted at least 2")
    error = values_Q.std(ddof=1) / np.sqrt(len(values_Q))
    return Estimate(value=float(values_Q.mean()), error=float(error), users=len(values_Q))


def linearised(numerator_Q: np.ndarray, denominator_Q: np.ndarray) -> np.ndarray:
    """One value for each user whose mean is a ratio of sums, and whose error is its error.

    Answers of one user resemble each other, so a rate over answers has the error of
    users, not of answers: the delta method [Deng, Knoblich and Lu, KDD 2018],
    R + (n - R·d) / mean(d).

    Args:
        numerator_Q: sum of each user, such as answers with a click.
        denominator_Q: sum of each user, such as answers.

    Raises:
        ValueError: the denominators have no positive sum.
    """
    total = denominator_Q.sum()
    if not total > 0:
        raise ValueError(f"denominators sum to {total}; wanted a positive sum")
    ratio = numerator_Q.sum() / total
    linear: np.ndarray = ratio + (numerator_Q - ratio * denominator_Q) / denominator_Q.mean()
    return linear


def ratio(numerator_Q: np.ndarray, denominator_Q: np.ndarray) -> Estimate:
    """Ratio of the sums of two quantities of each user."""
    return mean(linearised(numerator_Q, denominator_Q))
