"""Training for reward in a recipe: declarations, no third-party import."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from training.recipes.validation import at_least_one, positive

LEAST_DISCOUNTED = 1e-9
"""Least weight of a reward at the end of the horizon: below it, a longer horizon adds nothing."""


@dataclass(frozen=True, kw_only=True)
class EstimatedBehaviour:
    """Behaviour policy β(a|s) that is learned beside the towers.

    A softmax over the whole corpus that reads the user's embedding. Its gradients stop
    there: the state belongs to the towers. [Chen et al., WSDM 2019, section 4.3]
    """

    learning_rate: float = 0.01
    """Learning rate of the items' weights. They follow embeddings that move."""

    def __post_init__(self) -> None:
        positive(self, learning_rate=self.learning_rate)


@dataclass(frozen=True, kw_only=True)
class PolicyGradient:
    """Off-policy policy gradient of a list's return, in place of the loss.

        gradient of Σ min(π(a|s) / β(a|s), cap) · λ_K · R · log π(a|s),  λ_K = K (1 − π(a|s))^(K−1)

    π is the softmax of the towers over the whole corpus, a an item that the user took, β
    what made these interactions, and R the user's discounted rewards from a on. It learns
    what brings people back, given that they take it; it does not learn what they take.
    [Chen et al., WSDM 2019, equation 6]
    """

    k: int
    """Items of the list that is shown. 1 is for a single item: where a list is shown, it
    teaches the first place alone."""
    cap: float = 10.0
    """Largest π / β. Without it, single interactions would decide the gradient."""
    self_normalised: bool = False
    """Whether a step's sum is divided by that of π / β instead of the number of
    interactions: less variance, and a bias that falls with the batch."""
    reward: Literal["interactions", "value"] = "interactions"
    """Reward of an interaction: 1, or its value (below 0 counts as 0, unknown as the mean)."""
    discount: float = 0.95
    """Weight of a reward one day later."""
    horizon_days: int = 28
    """Days from an interaction within which rewards count."""
    whole_horizon: bool = True
    """Whether interactions whose horizon reaches beyond the training part are left out.
    With False they stay, with what is known of their returns: too little, and most of all
    for new items."""
    behaviour: EstimatedBehaviour = field(default_factory=EstimatedBehaviour)
    """Behaviour policy."""

    def __post_init__(self) -> None:
        at_least_one(self, k=self.k, horizon_days=self.horizon_days)
        positive(self, cap=self.cap)
        if not math.isfinite(self.cap):
            raise ValueError(f"PolicyGradient.cap is {self.cap}; wanted a finite bound of π / β")
        if self.reward not in ("interactions", "value"):
            raise ValueError(f"PolicyGradient.reward must be 'interactions' or 'value', got {self.reward!r}")
        if not 0 < self.discount <= 1:
            raise ValueError(f"PolicyGradient.discount is the weight of a day, in (0, 1], got {self.discount}")
        if self.discount**self.horizon_days < LEAST_DISCOUNTED:
            longest = int(math.log(LEAST_DISCOUNTED) / math.log(self.discount))
            raise ValueError(
                f"PolicyGradient.horizon_days is {self.horizon_days}, and with a discount of {self.discount} a day "
                f"rewards count for nothing long before: lower it to at most {max(longest, 1)}, or raise discount"
            )
