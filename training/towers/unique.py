"""Distinct codes without a sort.

Legend: V codes that there are, U distinct ones.
"""

from __future__ import annotations

import torch
from torch import Tensor

FEW = 1 / 16
"""Below so many codes for each that there is, a sort of the codes costs less than a look at all there are."""


def distinct(codes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The distinct codes in order, int64 [U], and the place of each code among them, in the shape of codes.

    codes: int64 in [0, size), of any shape. The same as `torch.unique(codes, return_inverse=True)`.
    """
    if codes.numel() < FEW * size:
        found: tuple[Tensor, Tensor] = torch.unique(codes, return_inverse=True)
        return found
    there_V = torch.zeros(size, dtype=torch.uint8, device=codes.device).index_fill_(0, codes.flatten(), 1)
    place_V = there_V.cumsum(0) - 1
    return there_V.nonzero().squeeze(1), place_V.index_select(0, codes.flatten()).view(codes.shape)
