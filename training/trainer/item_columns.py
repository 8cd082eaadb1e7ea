"""Lookup from item to its columns in the batch's logits."""

from __future__ import annotations

import torch
from torch import Tensor

from training.losses import Pairs

NOWHERE = torch.iinfo(torch.int64).max
"""First column of an item without a column."""


class ItemColumns:
    """Columns of every item of the corpus in a batch.

    An item has two if it is a positive of the batch and was also drawn as a negative.

    Args:
        items: size N of the corpus.
        device: torch device.
    """

    def __init__(self, items: int, device: torch.device) -> None:
        self.item_C = torch.empty(0, dtype=torch.int64, device=device)
        self.first_N = torch.full((items,), NOWHERE, device=device)
        self.last_N = torch.full((items,), -1, device=device)

    def move(self, item_C: Tensor) -> None:
        """Move to another batch, with `item_C` the item of each column."""
        # Only the items of the previous batch are reset: a step costs by its batch, not
        # by N.
        self.first_N[self.item_C], self.last_N[self.item_C] = NOWHERE, -1
        column_C = torch.arange(len(item_C), device=item_C.device)
        self.first_N.scatter_reduce_(0, item_C, column_C, reduce="amin")
        self.last_N.scatter_reduce_(0, item_C, column_C, reduce="amax")
        self.item_C = item_C

    def pairs(self, row_P: Tensor, item_P: Tensor) -> Pairs:
        """Pairs of a row and an item as pairs of the row and each column of the item."""
        first_P, last_P = self.first_N[item_P], self.last_N[item_P]
        there_P, twice_P = last_P >= 0, last_P > first_P
        return Pairs(
            row_H=torch.cat([row_P[there_P], row_P[twice_P]]), column_H=torch.cat([first_P[there_P], last_P[twice_P]])
        )
