"""Body of gated layers.

Legend: B rows, W width of the inputs, H width of a layer.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from training.recipes.towers import Gated
from training.towers.bodies.norms import norm_layers


class GatedLayer(nn.Module):
    """SiLU(W x + b) ⊙ (V x + c).

    Two units of it make an exact product, since SiLU(a) − SiLU(−a) = a; ReLU units need
    a grid for that. [SwiGLU: Shazeer, 2020; gates: Dauphin et al., ICML 2017]
    """

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.gate_and_value = nn.Linear(width, 2 * size)

    def forward(self, x_BW: Tensor) -> Tensor:
        """float32 [B, W] -> [B, H]."""
        gate_BH, value_BH = self.gate_and_value(x_BW).chunk(2, dim=1)
        return F.silu(gate_BH) * value_BH


class GatedTrunk(nn.Sequential):
    """Gated layer, normalisation and dropout per hidden width: [B, W] -> [B, H]."""

    def __init__(self, config: Gated, width: int) -> None:
        layers: list[nn.Module] = []
        for size in config.hidden:
            layers += [GatedLayer(width, size), *norm_layers(config.norm, size), nn.Dropout(config.dropout)]
            width = size
        super().__init__(*layers)
        self.width = width
