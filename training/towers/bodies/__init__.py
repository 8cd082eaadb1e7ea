"""Bodies of towers: everything a tower sees, side by side, to an embedding before it is normalised."""

from __future__ import annotations

from torch import nn

from training.recipes.towers import MLP, Body, Cross, Gated, Residual
from training.towers.bodies.cross import CrossTrunk
from training.towers.bodies.gated import GatedTrunk
from training.towers.bodies.mlp import MLPTrunk
from training.towers.bodies.residual import ResidualTrunk
from training.towers.bodies.shared_layer import SharedLayer

__all__ = ["SharedMiddle", "build_body"]


def build_body(config: Body, width: int, dim: int, middle: SharedLayer | None = None) -> nn.Sequential:
    """float32 [B, width] -> [B, dim]: the trunk that config declares, the shared middle if any, and a linear layer.

    Each trunk says by its `width` what it ends in.
    """
    trunk = _trunk(config, width)
    if middle is None:
        return nn.Sequential(trunk, nn.Linear(trunk.width, dim))
    entry = nn.Linear(trunk.width, middle.width)
    return nn.Sequential(trunk, entry, nn.ReLU(), middle, nn.Linear(middle.width, dim))


def _trunk(config: Body, width: int) -> MLPTrunk | ResidualTrunk | CrossTrunk | GatedTrunk:
    match config:
        case MLP():
            return MLPTrunk(config, width)
        case Residual():
            return ResidualTrunk(config, width)
        case Cross():
            return CrossTrunk(config, width)
        case Gated():
            return GatedTrunk(config, width)
