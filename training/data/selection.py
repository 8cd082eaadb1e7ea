"""Weights of impressions against the selection of what was shown.

Legend: S answers, L items of an answer.
"""

from __future__ import annotations

import numpy as np

from training.data.slates import Slates
from training.recipes.impressions import InversePropensity


def selection_weights(slates: Slates, config: InversePropensity | None) -> np.ndarray:
    """Weight of each impression: float32 [S, L], 0 where no item stands.

        w = 1 / max(p, clip), divided by its mean if the recipe asks

    Items that are seldom shown count for the answers in which they were not.
    [Horvitz and Thompson, 1952; self-normalised: Swaminathan and Joachims, NeurIPS 2015]

    Args:
        slates: answers, with the probability p of each impression.
        config: declaration; None for equal weights.

    Raises:
        ValueError: no propensities, or so unequal ones that few impressions decide.
    """
    shown_SL = slates.shown_SL
    if config is None:
        return shown_SL.astype(np.float32)
    if slates.propensity_SL is None:
        raise ValueError(
            f"the recipe has selection={config}, but the impressions have no propensity: log the probability of each "
            "impression, let the service randomise a share of its answers, or leave selection out"
        )
    weight_SL = np.where(shown_SL, 1 / np.maximum(slates.propensity_SL, config.clip), 0.0)
    share = effective_share(weight_SL[shown_SL])
    if share < config.least_effective:
        raise ValueError(
            f"weights 1 / propensity leave {share:.2%} of {shown_SL.sum():,} impressions effective; wanted at least "
            f"{config.least_effective:.2%}: raise clip (now {config.clip}), randomise more, or leave selection out"
        )
    if config.normalised:
        weight_SL = weight_SL / weight_SL[shown_SL].mean()
    return weight_SL.astype(np.float32)


def effective_share(weight_N: np.ndarray) -> float:
    """Share of rows that, with equal weights, would tell as much: (Σw)² / (N Σw²).

    [Kish, Survey Sampling, 1965]
    """
    total = float(weight_N.sum())
    return total**2 / (len(weight_N) * float((weight_N**2).sum())) if total else 0.0
