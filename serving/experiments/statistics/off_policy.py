"""Value of a policy from answers of another: IPS, self-normalised and doubly robust.

Legend: N answers, Q users.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from serving.experiments.statistics.estimate import Estimate
from serving.experiments.statistics.means import ratio

MIN_EFFECTIVE = 200
"""Effective number of users below which there is no estimate."""
_SURE = 0.999
"""Level of the check that the weights have mean 1."""


@dataclass(frozen=True, kw_only=True)
class Logged:
    """Answers of the policy that ran, weighted for a policy that did not."""

    reward_N: np.ndarray
    propensity_N: np.ndarray
    """Probability that the policy that ran shows the answer."""
    target_N: np.ndarray
    """Probability that the other policy shows the same answer."""
    user_N: np.ndarray
    """Row of each answer's user, from 0."""

    def __post_init__(self) -> None:
        if not ((self.propensity_N > 0) & (self.propensity_N <= 1)).all():
            raise ValueError("got propensities outside (0, 1]; wanted the probabilities of the shown answers")

    @property
    def weight_N(self) -> np.ndarray:
        """Importance weight of each answer."""
        weight_N: np.ndarray = self.target_N / self.propensity_N
        return weight_N

    def by_user(self, values_N: np.ndarray) -> np.ndarray:
        """Sums of a value over the answers of each user, float64 [Q]."""
        # Answers of one user are no independent sample; users are.
        return np.bincount(self.user_N, weights=values_N)

    @property
    def answers_Q(self) -> np.ndarray:
        """Number of answers of each user."""
        return self.by_user(np.ones(len(self.user_N)))


def ips(logged: Logged) -> Estimate:
    """Inverse propensity score [Horvitz and Thompson, 1952]: the mean of w·r."""
    return ratio(logged.by_user(logged.weight_N * logged.reward_N), logged.answers_Q)


def snips(logged: Logged) -> Estimate:
    """Self-normalised IPS [Swaminathan and Joachims, NeurIPS 2015]: the sum of w·r over that of w."""
    return ratio(logged.by_user(logged.weight_N * logged.reward_N), logged.by_user(logged.weight_N))


def doubly_robust(logged: Logged, shown_N: np.ndarray, chosen_N: np.ndarray) -> Estimate:
    """Doubly robust estimate [Dudík, Langford and Li, ICML 2011]: the mean of q' + w(r - q).

    Right where either the propensities or the predictions are right.

    Args:
        logged: the answers.
        shown_N: predicted reward of each answer that was shown, q.
        chosen_N: predicted reward of the answer that the other policy gives, q'.
    """
    corrected_N = chosen_N + logged.weight_N * (logged.reward_N - shown_N)
    return ratio(logged.by_user(corrected_N), logged.answers_Q)


def cross_fitted(before_N: np.ndarray, logged: Logged) -> np.ndarray:
    """Predicted reward of each answer, by least squares on the other half of the users.

    Args:
        before_N: something known of each answer's user before.
        logged: the answers.
    """
    predicted_N = np.empty(len(logged.reward_N))
    design = np.column_stack([np.ones(len(before_N)), before_N])
    # Fitted on its own rewards, a prediction would follow their noise.
    for half in (0, 1):
        own_N = logged.user_N % 2 == half
        fitted = np.linalg.lstsq(design[~own_N], logged.reward_N[~own_N], rcond=None)[0]
        predicted_N[own_N] = design[own_N] @ fitted
    return predicted_N


def effective_users(logged: Logged) -> float:
    """Number of users of one weight that would tell as much [Kish, 1965]: (Σw)² / Σw²."""
    weight_Q = logged.by_user(logged.weight_N)
    squares = float((weight_Q**2).sum())
    return float(weight_Q.sum()) ** 2 / squares if squares else 0.0


def refusal(logged: Logged) -> str | None:
    """Reason to give no estimate, or None."""
    if (effective := effective_users(logged)) < MIN_EFFECTIVE:
        return f"{effective:.0f} effective users; wanted at least {MIN_EFFECTIVE}"
    # Right propensities of answers that can all occur give weights of mean 1.
    low, high = ratio(logged.by_user(logged.weight_N), logged.answers_Q).interval(_SURE)
    if not low <= 1 <= high:
        return (
            f"weights have a mean of {low:.3f} to {high:.3f}; wanted 1: the propensities are wrong, or the running "
            "variants never show what this one would"
        )
    return None
