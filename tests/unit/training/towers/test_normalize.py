"""Vectors of length 1 and their gradient are those of `normalize`."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from training.towers.normalize import unit


def test_values_and_gradients_are_those_of_normalize() -> None:
    generator = torch.Generator().manual_seed(0)
    vector_BD, weight_BD = torch.randn(2, 9, 5, generator=generator, dtype=torch.float64)
    vector_BD[3] = 0.0
    found = []
    for function in (unit, lambda vector_BD: F.normalize(vector_BD, dim=1)):
        leaf_BD = vector_BD.clone().requires_grad_()
        made_BD = function(leaf_BD)
        (made_BD * weight_BD).sum().backward()
        found.append((made_BD, leaf_BD.grad))
    for got, wanted in zip(*found, strict=True):
        assert torch.allclose(got, wanted, rtol=1e-12, atol=1e-12)


def test_without_a_gradient_it_is_normalize() -> None:
    vector_BD = torch.randn(4, 3)
    assert torch.equal(unit(vector_BD), F.normalize(vector_BD, dim=1))
