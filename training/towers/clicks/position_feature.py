"""Position as a feature of the user tower, fixed at serving.

Legend: S answers, L items of an answer, D dimension.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from training.recipes.bias_models import POSITION, PositionFeature
from training.towers.clicks.base import ClickModel, Clicks, Shown, of_logits
from training.towers.clicks.surroundings import UNKNOWN
from training.towers.score import Score


class PositionFeatureClicks(ClickModel):
    """p = σ(f) of <u + e_k, v>, with e_k = 0 for the position that serves.

    Dropout shows the towers the served position, so that they rank without the others.
    [Haldar et al., KDD 2020, section 5]

    Args:
        config: declaration.
        names: names of the impressions' surroundings.
        sizes: number of codes of each.
        dim: dimension of the embeddings.
        click_rate: share of the impressions with a click.

    Raises:
        ValueError: impressions without positions.
    """

    def __init__(
        self, config: PositionFeature, names: Sequence[str], sizes: Sequence[int], dim: int, click_rate: float
    ) -> None:
        super().__init__(click_rate)
        if POSITION not in names or sizes[list(names).index(POSITION)] < 2:
            raise ValueError("PositionFeature needs the position of each impression: bring that column")
        self.column, self.dropout = list(names).index(POSITION), config.dropout
        # The row of UNKNOWN stays 0: it is the position that serves.
        self.vectors = nn.Embedding(sizes[self.column], dim, padding_idx=UNKNOWN)
        nn.init.zeros_(self.vectors.weight)

    def forward(self, shown: Shown, score: Score) -> Clicks:
        """Probabilities of the clicks of some answers."""
        code_SL = shown.context_SLC[..., self.column]
        if self.training:
            code_SL = code_SL.masked_fill(torch.rand(code_SL.shape, device=code_SL.device) < self.dropout, UNKNOWN)
        moved_SLD = shown.user_SD.unsqueeze(1) + self.vectors(code_SL)
        return of_logits(self.relevance((moved_SLD * shown.item_SLD).sum(-1), score))

    def values(self) -> torch.Tensor:
        """Lengths of the vectors of the known positions: each coordinate alone says little."""
        return self.vectors.weight[1:].norm(dim=1)
