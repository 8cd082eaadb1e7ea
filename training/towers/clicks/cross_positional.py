"""Clicks that depend on the neighbours, by attention over positions.

Legend: S answers, L items of an answer, M the other items of the same answer, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.towers.clicks.base import Clicks, Shown, of_logits, products
from training.towers.clicks.biased import BiasedClicks
from training.towers.clicks.surroundings import Surroundings
from training.towers.score import Score


class CrossPositionalClicks(BiasedClicks):
    """p_i = σ(f_i + θ_i + Σ_j a_ij (α f_j + β θ_j)), j over the other items of the answer.

        a_ij = softmax_j(<q_i, k_j> / √W)

    Queries and keys come from the surroundings. Only f serves.
    [XPA: Zhuang et al., WWW 2021, section 4]

    Args:
        bias: the items' own bias.
        pair: queries and keys of the attention, of width 2·W.
        click_rate: share of the impressions with a click.
    """

    def __init__(self, bias: Surroundings, pair: Surroundings, click_rate: float) -> None:
        super().__init__(bias, click_rate)
        self.pair = pair
        self.of_relevance = nn.Parameter(torch.zeros(()))
        self.of_bias = nn.Parameter(torch.zeros(()))

    def forward(self, shown: Shown, score: Score) -> Clicks:
        """Probabilities of the clicks of some answers."""
        relevance_SL = self.relevance(products(shown), score)
        bias_SL = self.bias(shown.context_SLC).squeeze(-1)
        # The level is no property of a neighbour; pooled, it would stand against the own one.
        passed_SM = self.of_relevance * (relevance_SL - self.level) + self.of_bias * bias_SL
        pooled_SL = torch.einsum("slm,sm->sl", self.attention(shown), passed_SM)
        return of_logits(relevance_SL + bias_SL + pooled_SL)

    def attention(self, shown: Shown) -> Tensor:
        """Weights of the other items of each answer: float32 [S, L, M], 0 without others."""
        query_SLW, key_SMW = self.pair(shown.context_SLC).chunk(2, dim=-1)
        logit_SLM = query_SLW @ key_SMW.mT / query_SLW.shape[-1] ** 0.5
        itself_LM = torch.eye(logit_SLM.shape[-1], dtype=torch.bool, device=logit_SLM.device)
        hidden_SLM = itself_LM | ~shown.shown_SL.unsqueeze(1)
        # A row of −inf alone has no softmax; without neighbours nothing is pooled.
        alone_SL1 = hidden_SLM.all(-1, keepdim=True)
        return logit_SLM.masked_fill(hidden_SLM & ~alone_SL1, -torch.inf).softmax(-1).masked_fill(hidden_SLM, 0.0)
