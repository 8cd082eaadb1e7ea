"""Click model with a bias tower."""

from __future__ import annotations

import torch
from torch import Tensor

from training.towers.clicks.base import ClickModel
from training.towers.clicks.surroundings import Surroundings


class BiasedClicks(ClickModel):
    """Relevance of the towers beside a bias tower.

    Args:
        bias: the bias tower.
        click_rate: share of the impressions with a click.
    """

    def __init__(self, bias: Surroundings, click_rate: float) -> None:
        super().__init__(click_rate)
        self.bias = bias

    def values(self) -> Tensor:
        """Bias of each feature's known codes, in one row."""
        return torch.cat([self.bias.values(column).flatten() for column in self.bias.columns])
