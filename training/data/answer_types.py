"""Types of answers by the positions of their clicks alone: where a mixture starts.

Legend: S answers, L items of an answer, K types, P codes of positions, B starts.
"""

from __future__ import annotations

import numpy as np

ROUNDS = 50
"""Rounds of expectation and maximisation of each start."""
MOST = 20_000
"""Answers that are looked at; more would not move the starting point."""


def answer_types(
    code_SL: np.ndarray,
    click_SL: np.ndarray,
    shown_SL: np.ndarray,
    *,
    types: int,
    starts: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds of a click by type and position, and the types' shares.

    A latent class model [Lazarsfeld and Henry, 1968] by expectation and maximisation,
    from several random starts, of which the most likely one is taken. Relevance is
    left out: it differs within an answer, and the towers learn it.

    Args:
        code_SL: code of each item's position.
        click_SL: 1 for a click.
        shown_SL: whether an item stands there.
        types: number of types, K.
        starts: number of random starts.
        rng: source of the starts.

    Returns:
        Log-odds float64 [K, P], and shares float64 [K].
    """
    # Clicks and impressions of each answer by position: all that the likelihood needs.
    size = int(code_SL.max()) + 1
    rows = rng.permutation(len(code_SL))[:MOST]
    cell_SL = np.arange(len(rows))[:, None] * size + code_SL[rows]
    click_SP, none_SP = (
        np.bincount(cell_SL.ravel(), weights=weight_SL.ravel(), minlength=len(rows) * size).reshape(-1, size)
        for weight_SL in (click_SL[rows] * shown_SL[rows], (1 - click_SL[rows]) * shown_SL[rows])
    )
    found = [_fitted(click_SP, none_SP, types, rng) for _ in range(starts)]
    _, logit_KP, share_K = max(found, key=lambda each: each[0])
    order = np.argsort(-share_K, kind="stable")
    return logit_KP[order], share_K[order]


def _fitted(
    click_SP: np.ndarray, none_SP: np.ndarray, types: int, rng: np.random.Generator
) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-likelihood, log-odds and shares from one random start."""
    q_SK = rng.dirichlet(np.ones(types), len(click_SP))
    likelihood = -np.inf
    for _ in range(ROUNDS):
        share_K = q_SK.mean(0)
        # Half a click and half a miss beside those counted keep every logarithm finite.
        click_KP, none_KP = (q_SK.T @ each_SP + 0.5 for each_SP in (click_SP, none_SP))
        logit_KP = np.log(click_KP) - np.log(none_KP)
        joint_SK = click_SP @ -np.logaddexp(0, -logit_KP).T + none_SP @ -np.logaddexp(0, logit_KP).T
        joint_SK += np.log(np.maximum(share_K, 1e-12))
        largest_S1 = joint_SK.max(1, keepdims=True)
        total_S1 = largest_S1 + np.log(np.exp(joint_SK - largest_S1).sum(1, keepdims=True))
        q_SK = np.exp(joint_SK - total_S1)
        likelihood = float(total_S1.sum())
    return likelihood, logit_KP, share_K
