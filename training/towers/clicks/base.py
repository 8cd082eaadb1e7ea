"""Click model: from the relevance of shown items to the probabilities of their clicks.

Legend: S answers, L items of an answer, D dimension, C features of the surroundings, K
components.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.towers.score import Score


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Embedded answers."""

    user_SD: Tensor
    """Users."""
    item_SLD: Tensor
    """Shown items; of columns without an item, any vector."""
    context_SLC: Tensor
    """Codes of the surroundings."""
    shown_SL: Tensor
    """Whether an item stands there."""


@dataclass(frozen=True, kw_only=True)
class Clicks:
    """Probabilities of clicks by each component of a click model."""

    log_click_KSL: Tensor
    """Log-probability of a click."""
    log_none_KSL: Tensor
    """Log-probability of no click."""
    log_share_K: Tensor
    """Log of each component's share of the answers."""


class ClickModel(nn.Module):
    """Clicks by relevance alone, and the relevance of all click models.

        f = gain · logit + level

    The towers' logit ranks; gain and level make it log-odds of a click. The gain is
    positive, so that an index of the towers' embeddings ranks by f.

    Args:
        click_rate: share of the impressions with a click, where the level starts.
    """

    def __init__(self, click_rate: float) -> None:
        super().__init__()
        self.log_gain = nn.Parameter(torch.zeros(()))
        self.level = nn.Parameter(torch.tensor(math.log(click_rate / (1 - click_rate))))

    def forward(self, shown: Shown, score: Score) -> Clicks:
        """Probabilities of the clicks of some answers; `score` is that of the towers."""
        return of_logits(self.relevance(products(shown), score))

    def relevance(self, product_SL: Tensor, score: Score) -> Tensor:
        """Log-odds of a click by the relevance alone, f; `product_SL` is <u, v>."""
        return self.log_gain.exp() * score.to_logits(product_SL) + self.level

    def bias_weights(self) -> list[nn.Parameter]:
        """Weights besides gain and level."""
        own = {id(self.log_gain), id(self.level)}
        return [weight for weight in self.parameters() if id(weight) not in own]

    def values(self) -> Tensor:
        """Values of the bias by feature and code, in one row; none without a bias."""
        return self.level.new_empty(0)


def products(shown: Shown) -> Tensor:
    """<u, v> of each answer's user and items: float32 [S, L]."""
    return torch.einsum("sd,sld->sl", shown.user_SD, shown.item_SLD)


def of_logits(logit: Tensor) -> Clicks:
    """Probabilities of clicks from their log-odds, [S, L] or [K, S, L]."""
    logit_KSL = logit if logit.dim() == 3 else logit.unsqueeze(0)
    share_K = logit.new_full((len(logit_KSL),), -math.log(len(logit_KSL)))
    return Clicks(log_click_KSL=F.logsigmoid(logit_KSL), log_none_KSL=F.logsigmoid(-logit_KSL), log_share_K=share_K)
