"""Test whether clicks depend on the surrounding once the units are taken into account.

Legend: K codes of the surrounding (positions), U units, E entries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.sparse import coo_array

from training.data.shown import Shown


@dataclass(frozen=True, kw_only=True, eq=False)
class EffectTest:
    """Clicks by position beside those expected if positions had no effect."""

    clicks_K: np.ndarray
    """Clicks on units that were shown at several positions."""
    expected_K: np.ndarray
    """Expected clicks on them: each unit's click rate times its impressions there."""
    covariance_KK: np.ndarray
    """Covariance of the clicks if impressions of a unit are alike."""
    degrees: int
    """Positions that swaps compare, less one for each group of connected ones."""
    p_value: float
    """Probability of as large differences by chance; 1 where nothing is compared."""


def effect_test(shown: Shown) -> EffectTest:
    """Compare clicks by position within units.

    The generalised Cochran-Mantel-Haenszel test: within a unit, given its clicks and
    impressions, any impressions are as likely to be the clicked ones. So the units' own
    click rates, and how often the ranker shows which of them where, play no part.
    [Mantel, 1963; Landis, Heyman and Koch, 1978]

    Clicks of one answer are often alike, because its user is in the mood or in a hurry. That
    makes the test cautious: an answer has one item at each position, so positions share moods.
    """
    impressions_U, clicks_U = shown.sum_U(shown.impressions_E), shown.sum_U(shown.clicks_E)
    share_E = shown.impressions_E / impressions_U[shown.unit_E]
    expected_E = clicks_U[shown.unit_E] * share_E
    several_E = np.bincount(shown.unit_E, minlength=shown.units)[shown.unit_E] > 1
    variance_U = clicks_U * (impressions_U - clicks_U) / np.maximum(impressions_U - 1, 1)
    shape = (shown.units, len(shown.code_K))
    share_UK = coo_array((share_E, (shown.unit_E, shown.place_E)), shape).tocsr()
    weighted_UK = coo_array((variance_U[shown.unit_E] * share_E, (shown.unit_E, shown.place_E)), shape).tocsr()
    covariance_KK = np.diag(shown.sum_K(variance_U[shown.unit_E] * share_E)) - (share_UK.T @ weighted_UK).toarray()
    surplus_K = shown.sum_K(shown.clicks_E - expected_E)
    statistic, degrees = _quadratic(surplus_K, covariance_KK)
    return EffectTest(
        clicks_K=shown.sum_K(np.where(several_E, shown.clicks_E, 0)),
        expected_K=shown.sum_K(np.where(several_E, expected_E, 0)),
        covariance_KK=covariance_KK,
        degrees=degrees,
        p_value=float(stats.chi2.sf(statistic, degrees)) if degrees else 1.0,
    )


def _quadratic(sum_K: np.ndarray, covariance_KK: np.ndarray) -> tuple[float, int]:
    """sᵀ V⁺ s, and the rank of V."""
    value_K, vector_KK = np.linalg.eigh(covariance_KK)
    kept_K = value_K > 1e-9 * value_K.max(initial=0)
    along_K = vector_KK.T @ sum_K
    return float((along_K[kept_K] ** 2 / value_K[kept_K]).sum()), int(kept_K.sum())
