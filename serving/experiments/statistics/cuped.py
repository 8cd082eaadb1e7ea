"""CUPED: outcomes less what was known of the users before [Deng et al., WSDM 2013]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def adjusted(outcomes: Sequence[np.ndarray], before: Sequence[np.ndarray]) -> list[np.ndarray] | None:
    """Outcomes of each variant without the part that the time before explains.

    y - θ(x - mean x), with one θ and one mean for all variants. The mean of a
    difference stays, and its variance shrinks by the squared correlation.

    Args:
        outcomes: outcomes of the users of each variant.
        before: for the same users, something that no variant can have changed.

    Returns:
        Adjusted outcomes of each variant; None if the users do not differ before.
    """
    # Deviations within variants, so that an effect of a variant is no part of θ.
    y_Q = np.concatenate([each - each.mean() for each in outcomes])
    x_Q = np.concatenate([each - each.mean() for each in before])
    spread = float(x_Q @ x_Q)
    if spread == 0:
        return None
    theta = float(x_Q @ y_Q) / spread
    centre = np.concatenate(before).mean()
    return [y - theta * (x - centre) for y, x in zip(outcomes, before, strict=True)]
