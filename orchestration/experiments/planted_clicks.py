"""Clicks that a simulation plants: how far people look, and how good the ranks are.

Answers are independent. A position is looked at with its examination, and what is looked
at is clicked with the relevance of its rank.

Legend: J ranks, K positions; there are as many of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feature_repo.errors import InputError


@dataclass(frozen=True, kw_only=True, eq=False)
class PlantedClicks:
    """Probabilities of clicks by rank and position."""

    examination_K: np.ndarray
    """Probability that a position is looked at, relative to the first one."""
    relevance_J: np.ndarray
    """Probability that the item of a rank is clicked at the first position."""

    @property
    def probability_JK(self) -> np.ndarray:
        """Probability of a click on each rank at each position."""
        probability_JK: np.ndarray = np.outer(self.relevance_J, self.examination_K)
        return probability_JK


def planted_clicks(
    positions: int, click_rate: float, examination: Path | None = None, relevance: Path | None = None
) -> PlantedClicks:
    """Plant clicks of a rate.

    Args:
        positions: number of positions that are randomised.
        click_rate: share of the shown items that are clicked, without randomisation.
        examination: file with a number a line, from position 1; None for 1/k.
        relevance: the same by rank, on any scale; None for 1/√k.

    Raises:
        InputError: a file that cannot be used, or a rate that no relevance gives.
    """
    ranks_K = np.arange(1, positions + 1)
    examination_K = _read(examination, positions) if examination else 1 / ranks_K
    examination_K = examination_K / examination_K[0]
    shape_J = _read(relevance, positions) if relevance else 1 / np.sqrt(ranks_K)
    relevance_J = shape_J * click_rate / (shape_J * examination_K).mean()
    highest = float((np.outer(relevance_J, examination_K)).max())
    if highest > 1:
        raise InputError(
            f"a click rate of {click_rate:g} over {positions} positions wants clicks with probability {highest:.3g}; "
            f"wanted at most 1: name a rate below {click_rate / highest:.3g}, or fewer positions"
        )
    return PlantedClicks(examination_K=examination_K, relevance_J=relevance_J)


def _read(path: Path, number: int) -> np.ndarray:
    """First numbers of a file with one a line."""
    try:
        found = [float(line) for line in path.read_text(encoding="utf-8").split()]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}; wanted a file with one number a line") from error
    if len(found) < number or not all(0 < each < np.inf for each in found):
        raise InputError(f"{path}: {len(found)} numbers; wanted {number} above 0, one a line, from position 1")
    return np.array(found[:number])
