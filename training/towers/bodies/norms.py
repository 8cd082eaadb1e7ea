"""Normalisation between the layers of a body.

Legend: B rows, H width of a layer.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from training.recipes.towers import Norm


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that accepts a training batch of one row.

    One row has no variance. The last batch of an epoch may hold one user, so such a row
    is normalised by the running statistics, as in evaluation, and leaves them
    unchanged.
    """

    def forward(self, x_BH: Tensor) -> Tensor:
        """float32 [B, H] -> [B, H]."""
        if self.training and len(x_BH) == 1:
            return F.batch_norm(x_BH, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x_BH)


def norm_layers(norm: Norm | None, width: int) -> list[nn.Module]:
    """The declared layer, or none: float32 [B, H] -> [B, H]."""
    match norm:
        case "batch":
            return [BatchNorm(width)]
        case "layer":
            return [nn.LayerNorm(width)]
        case None:
            return []
