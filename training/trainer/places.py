"""Where the items of a batch stand among its columns."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from training.losses import Pairs


class Places:
    """The columns of every item of the corpus. An item has two where it is in the batch as a positive and was drawn as
    a negative besides.

    item_C: the item of each column. items: size N of the corpus.
    """

    def __init__(self, item_C: Tensor, items: int) -> None:
        self.item_C, self.items = item_C, items

    @cached_property
    def first_N(self) -> Tensor:
        return self._of(len(self.item_C), "amin")

    @cached_property
    def last_N(self) -> Tensor:
        return self._of(-1, "amax")

    def _of(self, nowhere: int, reduce: str) -> Tensor:
        nowhere_N = torch.full((self.items,), nowhere, device=self.item_C.device)
        place_C = torch.arange(len(self.item_C), device=self.item_C.device)
        return nowhere_N.scatter_reduce(0, self.item_C, place_C, reduce=reduce)

    def pairs(self, row_P: Tensor, item_P: Tensor) -> Pairs:
        """Pairs of a row and an item as pairs of the row and each column that holds the item."""
        first_P, last_P = self.first_N[item_P], self.last_N[item_P]
        there_P, twice_P = last_P >= 0, last_P > first_P
        return Pairs(
            row_H=torch.cat([row_P[there_P], row_P[twice_P]]), column_H=torch.cat([first_P[there_P], last_P[twice_P]])
        )
