"""A user's history as one vector.

Legend: B rows, L history length, D dimension of the embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_repo.encode import PAD
from training.towers.items import ItemVectors


class HistoryPooling(nn.Module):
    """A history as the weighted sum of its items' vectors, of unit length.

    w_l ∝ exp(a·log age_l + c·log count_l + g(log age_l, log count_l)), learned; it starts as count / sqrt(age). In
    training a random share of each history, uniform in [0, 2·dropout], is left out: without it a history names its
    user, and the tower learns users by heart. An empty history gives the zero vector.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.linear = nn.Parameter(torch.tensor([-0.5, 1.0]))
        self.score = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, vectors: ItemVectors, items_BL: Tensor, ages_BL: Tensor, counts_BL: Tensor) -> Tensor:
        facts_BL2 = torch.stack([ages_BL, counts_BL], dim=-1)
        scores_BL = self.score(facts_BL2).squeeze(-1) + facts_BL2 @ self.linear
        there_BL = (items_BL != PAD).float()
        if self.training and self.dropout:
            share_B1 = torch.rand(len(items_BL), 1, device=items_BL.device) * 2 * self.dropout
            there_BL = there_BL * (torch.rand(items_BL.shape, device=items_BL.device) >= share_B1)
        weights_BL = torch.exp(scores_BL.clamp(-10.0, 10.0)) * there_BL
        weights_BL = weights_BL / weights_BL.sum(dim=1, keepdim=True).clamp_min(1e-9)
        return F.normalize(vectors.pooled(items_BL, weights_BL), dim=1)
