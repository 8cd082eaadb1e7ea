"""Convergence of a bias tower: without it, no comparison of bias models means anything.

A bias tower that learns too slowly leaves the bias to the relevance towers, and looks as
if it did not help.

Legend: V values (of the tower for each code of its features).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Convergence:
    """Whether a bias tower has converged, and the numbers that say so."""

    converged: bool
    moved: float
    """Largest change of a value in the last epoch, as a share of the values' range."""
    left: float
    """Log-likelihood of an impression that refitting the tower alone would add."""
    reason: str


def moved(before_V: np.ndarray, after_V: np.ndarray) -> float:
    """Largest change of a value in an epoch, as a share of the values' range.

    Args:
        before_V: logits of the tower before the epoch; a constant that is added to all of
            them does not count.
        after_V: logits after it.
    """
    before_V, after_V = before_V - before_V.mean(), after_V - after_V.mean()
    # Values that are all alike are those of no bias: a change below a hundredth of a logit is none.
    return float(np.abs(after_V - before_V).max() / max(float(np.ptp(after_V)), 0.2))


def convergence(moved: float, left: float, *, most_moved: float = 0.05, most_left: float = 1e-3) -> Convergence:
    """Judge whether a bias tower has converged.

    Both must hold: a tower can stand still because its learning rate is tiny, which the
    refit shows, or be near the optimum and still swing, which the last epoch shows.

    Args:
        moved: change of its values in the last epoch, see `moved`.
        left: mean log-likelihood of an impression after refitting the tower with the
            relevance held fixed, less that before.
        most_moved: largest share of their range by which values may change in an epoch.
        most_left: largest gain by a refit.
    """
    finite = bool(np.isfinite([moved, left]).all())
    reasons = []
    if not finite:
        reasons.append("its values are not finite")
    if moved > most_moved:
        reasons.append(f"a value moved by {moved:.1%} of their range in the last epoch (limit {most_moved:.1%})")
    if left > most_left:
        reasons.append(f"a refit of the tower alone adds {left:.2g} to the log-likelihood (limit {most_left:.2g})")
    text = "; ".join(reasons) + ": raise the bias tower's learning rate, or train longer" if reasons else ""
    return Convergence(
        converged=not reasons,
        moved=moved,
        left=left,
        reason=text or f"values moved by {moved:.1%} of their range, a refit adds {left:.2g}",
    )
