"""Relevance and bias added up, or multiplied.

Legend: S answers, L items of an answer, K components.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from training.towers.clicks.base import Clicks, Shown, of_logits, products
from training.towers.clicks.biased import BiasedClicks
from training.towers.score import Score


class AdditiveClicks(BiasedClicks):
    """p = σ(f + θ), θ of a bias tower [Zhao et al., RecSys 2019, section 4.3]."""

    def forward(self, shown: Shown, score: Score) -> Clicks:
        """Probabilities of the clicks of some answers."""
        relevance_SL = self.relevance(products(shown), score)
        return of_logits(relevance_SL + self.bias(shown.context_SLC).squeeze(-1))


class ProductClicks(AdditiveClicks):
    """p = σ(f)·σ(θ): an item is clicked if it is relevant and looked at.

    Not the same as the sum of both logits. [PAL: Guo et al., RecSys 2019, equation 4]
    """

    def forward(self, shown: Shown, score: Score) -> Clicks:
        """Probabilities of the clicks of some answers."""
        relevance_SL = self.relevance(products(shown), score)
        log_SL = F.logsigmoid(relevance_SL) + F.logsigmoid(self.bias(shown.context_SLC).squeeze(-1))
        return Clicks(
            log_click_KSL=log_SL.unsqueeze(0),
            log_none_KSL=log_complement(log_SL).unsqueeze(0),
            log_share_K=log_SL.new_zeros(1),
        )


def log_complement(log_p: Tensor) -> Tensor:
    """log(1 − p) of log p, also where p is near 0 or 1."""
    # At p = 1 the derivative has no limit; the largest float below 1 has one.
    capped = log_p.clamp(max=-torch.finfo(log_p.dtype).eps)
    return torch.where(capped > -0.693, (-torch.expm1(capped)).log(), torch.log1p(-capped.exp()))
