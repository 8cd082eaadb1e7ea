"""Bodies of towers: from a tower's inputs to its embedding before normalisation."""

from __future__ import annotations

from torch import nn

from training.recipes.towers import MLP, Body, Cross, Gated, Residual
from training.towers.bodies.cross import CrossTrunk
from training.towers.bodies.gated import GatedTrunk
from training.towers.bodies.mlp import MLPTrunk
from training.towers.bodies.residual import ResidualTrunk
from training.towers.bodies.shared_layer import SharedLayer

__all__ = ["SharedLayer", "build_body"]


def build_body(config: Body, width: int, dim: int, middle: SharedLayer | None = None) -> nn.Sequential:
    """Body of a tower: float32 [B, width] -> [B, dim].

    The declared trunk, the shared layer if there is one, and a linear layer. A trunk
    states its output width as `width`.

    Args:
        config: the declared body.
        width: width of the inputs.
        dim: dimension of the embedding.
        middle: layer that both towers share; None for none.

    Returns:
        The layers in order.
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
