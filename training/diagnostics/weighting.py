"""Effect of weights on a log: what they make of click rates, and what they cost.

Legend: S answers, L items of an answer, K codes of the surrounding (positions).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.data.propensities import effective_size
from training.data.slates import UNKNOWN, Slates
from training.recipes.bias_models import POSITION

MOST_TOLD = 20
"""Codes whose click rates a sentence tells."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightingEffect:
    """Log with and without weights."""

    name: str
    """The surrounding, such as `position`."""

    effective_impressions: float
    """Impressions of equal weight that tell as much, (Σw)² / Σw²."""
    effective_answers: float
    """The same of answers, each with the sum of its impressions' weights."""
    effective_clicks: float
    """The same of clicks, each with its label times its weight."""
    impressions: int
    """Impressions with a weight."""
    left_out: int
    """Impressions without one."""
    clicks: int
    """Clicks of the log."""
    code_K: np.ndarray
    rate_K: np.ndarray
    """Click rate by position."""
    weighted_K: np.ndarray
    """Weighted mean of the labels by position."""

    @property
    def largest_move(self) -> float:
        """Largest change of a click rate, as a share of the unweighted one."""
        clicked_K = self.rate_K > 0
        change_K = np.abs(self.weighted_K[clicked_K] / self.rate_K[clicked_K] - 1)
        return float(change_K.max(initial=0))

    @property
    def numbers(self) -> dict[str, float]:
        """Numbers for a report, by name."""
        names = ("effective_impressions", "effective_answers", "effective_clicks", "left_out", "largest_move")
        return {name: float(getattr(self, name)) for name in names}

    @property
    def lines(self) -> tuple[str, ...]:
        """Sentences for a report."""
        rates = self.rate_K[:MOST_TOLD], self.weighted_K[:MOST_TOLD]
        before, after = (", ".join(f"{rate:.3f}" for rate in rate_K) for rate_K in rates)
        more = f" (and {further:,} more)" if (further := len(self.code_K) - MOST_TOLD) > 0 else ""
        left_out = f"; {self.left_out:,} of unknown examination count for nothing" if self.left_out else ""
        return (
            f"weighted: {self.effective_impressions:,.0f} of {self.impressions:,} impressions and "
            f"{self.effective_clicks:,.0f} of {self.clicks:,} clicks are effective{left_out}",
            f"weighted: click rates {before} by {self.name} become {after}{more}",
        )


def weighting_effect(
    slates: Slates, weight_SL: np.ndarray, *, label_SL: np.ndarray | None = None, name: str = POSITION
) -> WeightingEffect:
    """Compare a log with its weighted self.

    Weights against the logging policy change little where a model is right; where it is
    wrong they take its errors out of the bias, at the price of fewer effective impressions.
    [Hager et al., arXiv 2506.20501]

    Args:
        slates: the log.
        weight_SL: weight of each impression, such as those by propensity.
        label_SL: labels that stand for clicks, see `data.click_labels`; None for the clicks.
        name: the surrounding.
    """
    code_SL = slates.of(name)
    known_SL = slates.shown_SL & (code_SL != UNKNOWN)
    code_K, place_P = np.unique(code_SL[known_SL], return_inverse=True)
    label_SL = slates.click_SL if label_SL is None else label_SL
    weight_P, click_P = weight_SL[known_SL].astype(float), slates.click_SL[known_SL]
    of_code_K = np.bincount(place_P, weight_P, minlength=len(code_K))
    clicks_K = np.bincount(place_P, weight_P * label_SL[known_SL], minlength=len(code_K))
    shown_SL, clicked_SL = slates.shown_SL, slates.click_SL > 0
    return WeightingEffect(
        effective_impressions=effective_size(weight_SL[shown_SL]),
        effective_answers=effective_size(np.where(shown_SL, weight_SL, 0).sum(axis=1, dtype=float)),
        effective_clicks=effective_size((weight_SL * label_SL)[clicked_SL]),
        impressions=int((weight_SL > 0).sum()),
        left_out=int((shown_SL & ~(weight_SL > 0)).sum()),
        clicks=int(clicked_SL.sum()),
        name=name,
        code_K=code_K,
        rate_K=np.bincount(place_P, click_P, minlength=len(code_K)) / np.bincount(place_P, minlength=len(code_K)),
        weighted_K=np.divide(clicks_K, of_code_K, out=np.zeros(len(code_K)), where=of_code_K > 0),
    )
