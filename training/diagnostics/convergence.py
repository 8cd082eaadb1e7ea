"""Convergence of a bias tower: without it, no comparison of bias models means anything.

A bias tower that learns too slowly leaves the bias to the relevance towers, and looks as
if it did not help.

Legend: T epochs, V values (of the tower for each code of its features).
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


def convergence(value_TV: np.ndarray, left: float, *, most_moved: float = 0.05, most_left: float = 1e-3) -> Convergence:
    """Judge whether a bias tower has converged.

    Both must hold: a tower can stand still because its learning rate is tiny, which the
    refit shows, or be near the optimum and still swing, which the last epochs show.

    Args:
        value_TV: logits of the tower after each of the last epochs, two or more; a constant
            that is added to all of them does not count.
        left: mean log-likelihood of an impression after refitting the tower with the
            relevance held fixed, less that before.
        most_moved: largest share of their range by which values may change in an epoch.
        most_left: largest gain by a refit.

    Raises:
        ValueError: fewer than two epochs.
    """
    if len(value_TV) < 2:
        raise ValueError(f"got the values of {len(value_TV)} epochs; wanted two or more: a change needs two")
    centred_TV = value_TV - value_TV.mean(axis=1, keepdims=True)
    span = float(np.ptp(centred_TV[-1]))
    change = float(np.abs(centred_TV[-1] - centred_TV[-2]).max())
    # Values that are all alike are those of no bias: a change below a hundredth of a logit is none.
    moved = change / max(span, 0.2)
    finite = bool(np.isfinite(value_TV).all() and np.isfinite(left))
    reasons = []
    if not finite:
        reasons.append("its values are not finite")
    if moved > most_moved:
        reasons.append(f"a value moved by {moved:.1%} of their range in the last epoch (limit {most_moved:.1%})")
    if left > most_left:
        reasons.append(f"a refit of the tower alone adds {left:.2g} to the log-likelihood (limit {most_left:.2g})")
    text = "; ".join(reasons) + ": raise the bias tower's learning rate, or train longer" if reasons else ""
    return Convergence(
        converged=finite and not reasons,
        moved=moved,
        left=left,
        reason=text or f"values moved by {moved:.1%} of their range, a refit adds {left:.2g}",
    )
