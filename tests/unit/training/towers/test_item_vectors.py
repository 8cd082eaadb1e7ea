"""Vectors of items: their id's, and one of each of their categories."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from training.towers.item_vectors import SumOfRows


def test_sums_of_rows_and_their_gradients_are_those_of_an_embedding_bag() -> None:
    """Rows may come twice in a sum, and not at all."""
    generator = torch.Generator().manual_seed(0)
    codes_BF = torch.randint(7, (40, 3), generator=generator, dtype=torch.int32)
    grad_BD = torch.randn(40, 4, generator=generator, dtype=torch.float64)
    found, wanted = (torch.arange(36.0, dtype=torch.float64).view(9, 4).requires_grad_() for _ in range(2))
    result, bag = SumOfRows.apply(found, codes_BF), F.embedding_bag(codes_BF, wanted, mode="sum")
    result.backward(grad_BD)
    bag.backward(grad_BD)
    assert found.grad is not None and wanted.grad is not None
    torch.testing.assert_close(result, bag)
    torch.testing.assert_close(found.grad, wanted.grad)
    assert found.grad[7:].eq(0).all()
