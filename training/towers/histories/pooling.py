"""History readers by weighted sums of item vectors.

Legend: B rows, L history length, D dimension of the embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.recipes.towers import MeanPooling, WeightedPooling
from training.towers.histories.reader import Reader, fact_layers
from training.towers.item_vectors import ItemVectors


class WeightedReader(Reader):
    """Sum of item vectors with learned weights of age and count: float32 [B, D].

        Σ_l w_l v_l,  w_l ∝ exp(a·log age_l + c·log count_l + g(log age_l, log count_l))

    It starts as about count / sqrt(age).
    """

    def __init__(self, config: WeightedPooling) -> None:
        super().__init__(config.dropout)
        self.linear = nn.Parameter(torch.tensor([-0.5, 1.0]))
        self.score = fact_layers(1)

    def forward(self, vectors: ItemVectors, items_BL: Tensor, ages_BL: Tensor, counts_BL: Tensor) -> Tensor:
        """See `Reader.forward`."""
        facts_BL2 = torch.stack([ages_BL, counts_BL], dim=-1)
        scores_BL = self.score(facts_BL2).squeeze(-1) + facts_BL2 @ self.linear
        # Bounded, since the exponentials are summed without a maximum taken off.
        weights_BL = torch.exp(scores_BL.clamp(-10.0, 10.0)) * self.kept(items_BL)
        return _pooled(vectors, items_BL, weights_BL)


class MeanReader(Reader):
    """Mean of the items' vectors: float32 [B, D]."""

    def __init__(self, config: MeanPooling) -> None:
        super().__init__(config.dropout)

    def forward(self, vectors: ItemVectors, items_BL: Tensor, ages_BL: Tensor, counts_BL: Tensor) -> Tensor:
        """See `Reader.forward`."""
        return _pooled(vectors, items_BL, self.kept(items_BL).float())


def _pooled(vectors: ItemVectors, items_BL: Tensor, weights_BL: Tensor) -> Tensor:
    """Weighted mean of unit length; zero for an empty history, which has no weight."""
    weights_BL = weights_BL / weights_BL.sum(dim=1, keepdim=True).clamp_min(1e-9)
    return F.normalize(vectors.pooled(items_BL, weights_BL), dim=1)
