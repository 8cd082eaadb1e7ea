"""Where the items of a batch stand among its columns."""

from __future__ import annotations

import torch
from torch import Tensor

from training.losses import Pairs


class Places:
    """The columns of every item of the corpus. An item has two where it is in the batch as a positive and was drawn as
    a negative besides.

    item_C: the item of each column. items: size N of the corpus.
    """

    def __init__(self, item_C: Tensor, items: int) -> None:
        place_C = torch.arange(len(item_C), device=item_C.device)
        nowhere_N = torch.full((items,), len(item_C), device=item_C.device)
        self.first_N = nowhere_N.scatter_reduce(0, item_C, place_C, reduce="amin")
        self.last_N = torch.full_like(nowhere_N, -1).scatter_reduce(0, item_C, place_C, reduce="amax")

    def pairs(self, row_P: Tensor, item_P: Tensor) -> Pairs:
        """Pairs of a row and an item as pairs of the row and each column that holds the item."""
        first_P, last_P = self.first_N[item_P], self.last_N[item_P]
        there_P, twice_P = last_P >= 0, last_P > first_P
        return Pairs(
            row_H=torch.cat([row_P[there_P], row_P[twice_P]]), column_H=torch.cat([first_P[there_P], last_P[twice_P]])
        )
