"""Rows of an id table and their gradient are those of an embedding, whether codes follow each other or not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from training.towers.item_vectors import IdTable


@pytest.mark.parametrize(
    "codes", [[3, 4, 5, 6], [5], [], [3, 4, 6, 7], [2, 2, 3], [4, 3, 2], [[1, 2], [3, 4]]], ids=str
)
@pytest.mark.parametrize("sparse", [True, False])
def test_rows_and_gradients_are_those_of_an_embedding(codes: list[int], sparse: bool) -> None:
    table, plain = IdTable(9, 2, sparse=sparse), nn.Embedding(9, 2, sparse=sparse)
    plain.load_state_dict(table.state_dict())
    found = []
    for module in (table, plain):
        rows = module(torch.tensor(codes, dtype=torch.int64))
        (rows * torch.arange(rows.numel()).view(rows.shape)).sum().backward()
        gradient = module.weight.grad
        assert gradient is not None and gradient.is_sparse == sparse
        found.append((rows, gradient.to_dense()))
    for got, wanted in zip(*found, strict=True):
        assert torch.equal(got, wanted)
