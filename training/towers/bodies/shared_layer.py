"""Layer that both towers' bodies share."""

from __future__ import annotations

from torch import nn


class SharedLayer(nn.Sequential):
    """ReLU(W x + b): float32 [B, width] -> [B, width], one module in both bodies.

    So each tower learns from the other. It has no normalisation: users and items would
    share one set of batch statistics although they are distributed differently.
    """

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(width, width), nn.ReLU())
        self.width = width
