"""Effect of weights on a log: what they make of click rates, and what they cost.

Legend: S answers, L items of an answer, K codes of the surrounding (positions).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.data.propensities import effective_size
from training.data.slates import UNKNOWN, Slates
from training.recipes.impressions import POSITION


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightingEffect:
    """Log with and without weights."""

    effective_impressions: float
    """Impressions of equal weight that tell as much, (Σw)² / Σw²."""
    effective_answers: float
    """The same of answers, each with the sum of its impressions' weights."""
    code_K: np.ndarray
    rate_K: np.ndarray
    """Click rate by position."""
    weighted_K: np.ndarray
    """Weighted click rate by position."""

    @property
    def largest_move(self) -> float:
        """Largest change of a click rate, as a share of the unweighted one."""
        clicked_K = self.rate_K > 0
        change_K = np.abs(self.weighted_K[clicked_K] / self.rate_K[clicked_K] - 1)
        return float(change_K.max(initial=0))


def weighting_effect(slates: Slates, weight_SL: np.ndarray, *, name: str = POSITION) -> WeightingEffect:
    """Compare a log with its weighted self.

    Weights against the logging policy change little where a model is right; where it is
    wrong they take its errors out of the bias, at the price of fewer effective impressions.
    [Hager et al., arXiv 2506.20501]

    Args:
        slates: the log.
        weight_SL: weight of each impression, such as those by propensity.
        name: the surrounding.
    """
    code_SL = slates.of(name)
    known_SL = slates.shown_SL & (code_SL != UNKNOWN)
    code_K, place_P = np.unique(code_SL[known_SL], return_inverse=True)
    weight_P, click_P = weight_SL[known_SL].astype(float), slates.click_SL[known_SL]
    of_code_K = np.bincount(place_P, weight_P, minlength=len(code_K))
    clicks_K = np.bincount(place_P, weight_P * click_P, minlength=len(code_K))
    shown_SL = slates.shown_SL
    return WeightingEffect(
        effective_impressions=effective_size(weight_SL[shown_SL]),
        effective_answers=effective_size(np.where(shown_SL, weight_SL, 0).sum(axis=1, dtype=float)),
        code_K=code_K,
        rate_K=np.bincount(place_P, click_P, minlength=len(code_K)) / np.bincount(place_P, minlength=len(code_K)),
        weighted_K=np.divide(clicks_K, of_code_K, out=np.zeros(len(code_K)), where=of_code_K > 0),
    )
