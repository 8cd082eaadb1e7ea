"""Distinct codes without a sort.

Legend: V codes of the vocabulary, U distinct ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

FEW = 1 / 16
"""Share of the vocabulary below which sorting the codes costs less than a pass over all
V."""


def distinct(codes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The distinct codes in order, int64 [U], and each code's position among them.

    The same as `torch.unique(codes, return_inverse=True)`: positions have the shape of
    codes.

    Args:
        codes: int64 in [0, size), of any shape.
        size: V.
    """
    if codes.numel() < FEW * size:
        found: tuple[Tensor, Tensor] = torch.unique(codes, return_inverse=True)
        return found
    there_V = torch.zeros(size, dtype=torch.uint8, device=codes.device).index_fill_(0, codes.flatten(), 1)
    position_V = there_V.cumsum(0) - 1
    return there_V.nonzero().squeeze(1), position_V.index_select(0, codes.flatten()).view(codes.shape)
