"""Deep body of residual blocks.

Legend: B rows, W width of the inputs, H width of the blocks.
"""

from __future__ import annotations

from torch import Tensor, nn

from training.recipes.towers import Residual
from training.towers.bodies.norms import norm_layers


class ResidualTrunk(nn.Module):
    """Linear entry, residual blocks, ReLU of a norm: float32 [B, W] -> [B, H].

        x ← A x;  per block x ← x + dropout(W₂ dropout(ReLU(W₁ norm(x))));  ReLU(norm(x))

    [the ResNet of Gorishniy et al., NeurIPS 2021; identity paths: He et al., ECCV 2016]
    """

    def __init__(self, config: Residual, width: int) -> None:
        super().__init__()
        self.width = config.width
        self.entry = nn.Linear(width, config.width)
        self.blocks = nn.ModuleList(_block(config) for _ in range(config.blocks))
        self.exit = nn.Sequential(*norm_layers(config.norm, config.width), nn.ReLU())

    def forward(self, x_BW: Tensor) -> Tensor:
        """float32 [B, W] -> [B, H]."""
        x_BH = self.entry(x_BW)
        for block in self.blocks:
            x_BH = x_BH + block(x_BH)
        return self.exit(x_BH)


def _block(config: Residual) -> nn.Sequential:
    return nn.Sequential(
        *norm_layers(config.norm, config.width),
        nn.Linear(config.width, config.width),
        nn.ReLU(),
        nn.Dropout(config.dropout),
        nn.Linear(config.width, config.width),
        nn.Dropout(config.dropout),
    )
