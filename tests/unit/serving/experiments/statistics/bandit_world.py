"""A logged bandit whose other policy has a known value.

Legend: X contexts, A answers, N logged answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from serving.experiments.statistics.off_policy import Logged

REWARD_XA = np.array([[0.1, 0.3, 0.2], [0.5, 0.1, 0.2], [0.2, 0.2, 0.6], [0.05, 0.4, 0.1]])
LOGGED_XA = np.array([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.5, 0.3, 0.2], [0.7, 0.2, 0.1]])
TARGET_XA = np.array([[0.1, 0.8, 0.1], [0.9, 0.0, 0.1], [0.1, 0.1, 0.8], [0.2, 0.6, 0.2]])
TRUTH = float((TARGET_XA * REWARD_XA).sum(axis=1).mean())
"""Value of the other policy: the contexts are equally frequent."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Logged answers, with the rewards that are expected of them."""

    logged: Logged
    shown_N: np.ndarray
    """Expected reward of each shown answer."""
    chosen_N: np.ndarray
    """Expected reward under the other policy."""


def draw(users: int, rng: np.random.Generator, *, propensity_error: float = 1.0) -> Drawn:
    """Draw one context a user and one to five answers in it.

    A user's answers share a mood that moves their rewards.

    Args:
        users: number of users.
        rng: source of the draws.
        propensity_error: factor of the logged propensities; 1 for the right ones.
    """
    user_N = np.repeat(np.arange(users), rng.integers(1, 6, users))
    context_N = rng.integers(len(REWARD_XA), size=users)[user_N]
    shares_NA = LOGGED_XA[context_N].cumsum(axis=1)
    answer_N = (rng.random((len(user_N), 1)) > shares_NA).sum(axis=1)
    mood_N = rng.uniform(0.4, 1.6, users)[user_N]
    return Drawn(
        logged=Logged(
            reward_N=(rng.random(len(user_N)) < REWARD_XA[context_N, answer_N] * mood_N).astype(float),
            propensity_N=LOGGED_XA[context_N, answer_N] * propensity_error,
            target_N=TARGET_XA[context_N, answer_N],
            user_N=user_N,
        ),
        shown_N=REWARD_XA[context_N, answer_N],
        chosen_N=(TARGET_XA * REWARD_XA).sum(axis=1)[context_N],
    )
