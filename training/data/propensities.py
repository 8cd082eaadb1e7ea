"""Propensities of impressions, and the weights that they give.

Two probabilities stand behind a click, and two weights answer them:

- **selection**: the item was chosen to be shown there. Its weight 1 / propensity counts
  the whole impression, clicked or not, so that the log stands for one that shows anything.
- **examination**: the user looked there. Its weight 1 / p counts the click alone: a missing
  click says little about a position that nobody looks at.

Legend: S answers, L items of an answer.
"""

from __future__ import annotations

import numpy as np

from training.data.interventions import Examination
from training.data.slates import Slates
from training.recipes.bias_models import POSITION
from training.recipes.impressions import InversePropensity


def effective_size(weight: np.ndarray) -> float:
    """Number of equally weighted rows that tell as much: (Σw)² / Σw² [Kish, 1965]."""
    squares = float((weight.astype(float) ** 2).sum())
    return float(weight.sum(dtype=float)) ** 2 / squares if squares > 0 else 0.0


def selection_weights(slates: Slates, config: InversePropensity) -> np.ndarray:
    """Weight 1 / max(propensity, clip) of each impression, 1 in the mean: float32 [S, L].

    Raises:
        ValueError: the log has no propensities, one is not a probability, or the weights
            leave less than `config.least_effective` of the impressions.
    """
    if slates.propensity_SL is None:
        raise ValueError(
            "selection weights need the probability with which each item was shown, and the impressions have none: log "
            "`propensity`, or leave selection out of the recipe"
        )
    shown_SL = slates.shown_SL
    propensity_P = slates.propensity_SL[shown_SL]
    if unknown := int(np.isnan(propensity_P).sum()):
        raise ValueError(
            f"{unknown:,} of {len(propensity_P):,} impressions have no propensity, and a weight of 1 would take them "
            "for certain: log the propensity of each impression, drop those without, or leave selection out"
        )
    if wrong := int((~((propensity_P > 0) & (propensity_P <= 1))).sum()):
        raise ValueError(
            f"{wrong:,} of {len(propensity_P):,} propensities are not probabilities above 0, at most 1: what was shown "
            "cannot have had the probability 0; mend the log, or drop these impressions"
        )
    weight_P = 1 / np.maximum(propensity_P.astype(float), config.clip)
    weight_P /= weight_P.mean()
    share = effective_size(weight_P) / max(len(weight_P), 1)
    if share < config.least_effective:
        raise ValueError(
            f"weights by propensity leave {share:.2%} of {len(weight_P):,} impressions effective; wanted at least "
            f"{config.least_effective:.2%}: raise InversePropensity.clip (now {config.clip}) to trust rare impressions "
            "less, randomise a larger share, or leave selection out of the recipe"
        )
    weight_SL = np.zeros(shown_SL.shape, np.float32)
    weight_SL[shown_SL] = weight_P
    return weight_SL


def click_weights(slates: Slates, examination: Examination, *, clip: float, name: str = POSITION) -> np.ndarray:
    """Weight 1 / max(p, clip) of a click, 1 of an impression without: float32 [S, L].

    0 where nothing is known of p: at a position without an estimate, and behind the last
    item. Such an impression says nothing, because any weight of its click would be a guess.

    Args:
        slates: the log.
        examination: probability p of a look, relative to the first position.
        clip: least probability that counts.
        name: the surrounding.
    """
    look_SL = looks(slates, examination, name=name)
    weight_SL: np.ndarray = np.where(slates.click_SL > 0, 1 / np.maximum(look_SL, clip), 1)
    return np.where(np.isnan(look_SL), 0, weight_SL).astype(np.float32)


def looks(slates: Slates, examination: Examination, *, name: str = POSITION) -> np.ndarray:
    """Probability of a look at each impression, not a number where it is not known: float64 [S, L].

    Args:
        slates: the log.
        examination: probability of a look, relative to the first position.
        name: the surrounding.
    """
    relative_C = np.full(max(slates.sizes[slates.names.index(name)], examination.code_K.max(initial=0) + 1), np.nan)
    relative_C[examination.code_K] = examination.relative_K
    look_SL: np.ndarray = np.where(slates.shown_SL, relative_C[slates.of(name)], np.nan)
    return look_SL
