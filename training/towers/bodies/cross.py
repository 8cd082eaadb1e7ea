"""Body of explicit feature products.

Legend: B rows, W width of the inputs, H width of the output.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.recipes.towers import Cross
from training.towers.bodies.mlp import MLPTrunk


class CrossTrunk(nn.Module):
    """x_{l+1} = x_0 ⊙ (M_l x_l + b_l) + x_l, with an MLP behind or beside.

    M_l is a full matrix, or U_l V_lᵀ of the declared rank. [DCN-v2: Wang et al., WWW
    2021, equations 1 and 2]
    """

    def __init__(self, config: Cross, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_matrix(width, config.rank) for _ in range(config.layers))
        self.deep = MLPTrunk(config.deep, width)
        self.parallel = config.structure == "parallel"
        self.width = self.deep.width + (width if self.parallel else 0)

    def forward(self, inputs_BW: Tensor) -> Tensor:
        """float32 [B, W] -> [B, H]."""
        x_BW = inputs_BW
        for layer in self.layers:
            x_BW = inputs_BW * layer(x_BW) + x_BW
        return torch.cat([x_BW, self.deep(inputs_BW)], dim=1) if self.parallel else self.deep(x_BW)


def _matrix(width: int, rank: int | None) -> nn.Module:
    if rank is None:
        return nn.Linear(width, width)
    return nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, width))
