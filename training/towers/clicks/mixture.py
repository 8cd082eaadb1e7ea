"""Mixture of additive models: each answer's clicks come from one of them.

Legend: S answers, L items of an answer, K components.
"""

from __future__ import annotations

import torch
from torch import nn

from training.towers.clicks.base import Clicks, Shown, of_logits, products
from training.towers.clicks.biased import BiasedClicks
from training.towers.clicks.surroundings import Surroundings
from training.towers.score import Score


class MixtureClicks(BiasedClicks):
    """p_k = σ(f + θ_k), with k of share π_k for a whole answer.

    The components share the relevance and its gain: with a gain for each, one component
    can take all answers and the others stay where they began.
    [MixEM: Yan et al., SIGIR 2022, section 3.3]
    """

    def __init__(self, bias: Surroundings, components: int, click_rate: float) -> None:
        super().__init__(bias, click_rate)
        self.share = nn.Parameter(torch.zeros(components))

    def forward(self, shown: Shown, score: Score) -> Clicks:
        """Probabilities of the clicks of some answers, by component."""
        relevance_SL = self.relevance(products(shown), score)
        clicks = of_logits(relevance_SL + self.bias(shown.context_SLC).movedim(-1, 0))
        return Clicks(
            log_click_KSL=clicks.log_click_KSL,
            log_none_KSL=clicks.log_none_KSL,
            log_share_K=self.share.log_softmax(0),
        )
