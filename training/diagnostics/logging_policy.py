"""Dependence of the logging policy and relevance: does the ranker put relevant items first?

Such a ranker adds no bias by itself: a model that describes clicks well explains them by
relevance and by position, whatever the order was. Where the model is wrong, the ranker
carries its errors into the bias, because they stand at some positions more than at others.
[Hager et al., Unidentified and Confounded?, arXiv 2506.20501]

Legend: K codes of the surrounding (positions), E entries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.data.shown import Shown


@dataclass(frozen=True, kw_only=True, eq=False)
class Dependence:
    """Relevance of what stands at each position."""

    correlation: float | None
    """Correlation of position and relevance over impressions; below 0, relevant items come
    first. None where too little was shown elsewhere."""
    relevance_K: np.ndarray
    """Mean relevance at each position, relative to the first; not a number if unknown."""


def dependence(shown: Shown, relative_K: np.ndarray) -> Dependence:
    """Estimate how relevance depends on position, each unit judged by its other positions.

    A unit's relevance is its clicks over its looks, neither of them at the position in
    question, whose own noise would else correlate with itself. The spread of relevance is
    estimated from products of different clicks, so noise does not hide a dependence.

    Args:
        shown: impressions by unit and position.
        relative_K: examination of each position.
    """
    looks_E = shown.impressions_E * relative_K[shown.place_E]
    square_E = looks_E * relative_K[shown.place_E]
    others_E, clicks_E, looks_elsewhere_E, squares_E = (
        shown.sum_U(each)[shown.unit_E] - each for each in (shown.impressions_E, shown.clicks_E, looks_E, square_E)
    )
    # Clicks over a hundredth of a look would drown all others.
    used_E = (others_E >= 2) & (looks_elsewhere_E >= 1)
    weight_E = np.where(used_E, shown.impressions_E, 0)
    total_K, total = shown.sum_K(weight_E), weight_E.sum()
    if total == 0:
        return Dependence(correlation=None, relevance_K=np.full(len(shown.code_K), np.nan))
    # Rounding of the differences must not make a pair of looks out of none.
    pairs_E = np.maximum(looks_elsewhere_E**2 - squares_E, 1e-9)
    relevance_E = np.where(used_E, clicks_E / np.where(used_E, looks_elsewhere_E, 1), 0)
    square_of_relevance_E = np.where(used_E, clicks_E * (clicks_E - 1) / pairs_E, 0)
    mean = (weight_E * relevance_E).sum() / total
    variance = (weight_E * square_of_relevance_E).sum() / total - mean**2
    from_mean_E = shown.place_E - (weight_E * shown.place_E).sum() / total
    spread = (weight_E * from_mean_E**2).sum() / total
    covariance = (weight_E * from_mean_E * (relevance_E - mean)).sum() / total
    known = variance > 0 and spread > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        relevance_K = shown.sum_K(weight_E * relevance_E) / total_K
        relevance_K = relevance_K / relevance_K[0]
    return Dependence(
        correlation=float(np.clip(covariance / np.sqrt(variance * spread), -1, 1)) if known else None,
        relevance_K=relevance_K,
    )
