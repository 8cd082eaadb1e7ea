"""The tie rule of rankings, by hand."""

from __future__ import annotations

import numpy as np


def best_rows(scores_N: np.ndarray, k: int) -> list[int]:
    """The tie rule by hand: score down, then item row up; what is -inf does not come."""
    ranked = sorted(range(len(scores_N)), key=lambda item: (-scores_N[item], item))
    found = [item for item in ranked if scores_N[item] > -np.inf][:k]
    return found + [-1] * (k - len(found))
