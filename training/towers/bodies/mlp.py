"""Plain body: linear layers with ReLU."""

from __future__ import annotations

from torch import nn

from training.recipes.towers import MLP
from training.towers.bodies.norms import norm_layers


class MLPTrunk(nn.Sequential):
    """Linear, normalisation, ReLU and dropout per hidden width.

    float32 [B, width] -> [B, last hidden width]; without hidden layers the identity.
    """

    def __init__(self, config: MLP, width: int) -> None:
        layers: list[nn.Module] = []
        for size in config.hidden:
            layers += [nn.Linear(width, size), *norm_layers(config.norm, size), nn.ReLU(), nn.Dropout(config.dropout)]
            width = size
        super().__init__(*layers)
        self.width = width
