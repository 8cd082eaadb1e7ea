"""The body of a tower: everything a tower sees, side by side, to an embedding."""

from __future__ import annotations

from torch import nn

from training.recipes.towers import TowerConfig


def mlp(width: int, config: TowerConfig, dim: int) -> nn.Sequential:
    """Linear, ReLU and dropout for every hidden width, then a linear layer to [B, D]."""
    layers: list[nn.Module] = []
    for size in config.hidden:
        layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(config.dropout)]
        width = size
    return nn.Sequential(*layers, nn.Linear(width, dim))
