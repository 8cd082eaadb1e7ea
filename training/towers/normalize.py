"""Normalisation to unit length, with a gradient in few passes over memory.

Legend: B rows, D dimension.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SHORTEST = 1e-12
"""Divisor of vectors that are shorter, as in `torch.nn.functional.normalize`."""


def unit(vector_BD: Tensor) -> Tensor:
    """v / |v|: float32 [B, D]."""
    # The gradient of `normalize` passes over memory two or three times as often, which shows
    # when a whole corpus passes in every step. Exported programs know `normalize` only.
    return _Unit.apply(vector_BD) if vector_BD.requires_grad else F.normalize(vector_BD, dim=1)


def unchanged(vector_BD: Tensor) -> Tensor:
    """The vectors as they are, for scores that compare vectors of any length."""
    return vector_BD


class _Unit(torch.autograd.Function):
    @staticmethod
    def forward(ctx, vector_BD):  # type: ignore[no-untyped-def]
        length_B1 = torch.linalg.vector_norm(vector_BD, dim=1, keepdim=True).clamp_min_(SHORTEST)
        unit_BD = vector_BD / length_B1
        ctx.save_for_backward(unit_BD, length_B1)
        return unit_BD

    @staticmethod
    def backward(ctx, grad_BD):  # type: ignore[no-untyped-def]
        """Gradient without its part along the vector, divided by the vector's length."""
        unit_BD, length_B1 = ctx.saved_tensors
        across_BD = grad_BD * unit_BD
        along_B1 = across_BD.sum(dim=1, keepdim=True)
        return torch.addcmul(grad_BD, unit_BD, along_B1, value=-1, out=across_BD).div_(length_B1)
