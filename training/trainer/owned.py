"""The histories of a batch as items of the corpus, for the terms that these items have.

Legend: R user snapshots, L history length, U distinct history items, V item vocabulary, P positives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.losses import Repeats
from training.towers import TwoTower
from training.training_set import Batch


@dataclass(frozen=True, kw_only=True, eq=False)
class Owned:
    """What the users of a batch had before, whole: dropout of histories is the tower's affair.

    item_U: the distinct items, rows of the corpus; each passes the item tower once. place_RL: which of them stands at
    each place, -1 where none: an item without an id of its own is nobody's.
    """

    item_U: Tensor
    place_RL: Tensor

    @classmethod
    def of(cls, batch: Batch, history: str, item_of_V: Tensor) -> Owned:
        item_RL = item_of_V[batch.users[f"{history}_items"].long()]
        item_U, place = torch.unique(item_RL[item_RL >= 0], return_inverse=True)
        return cls(item_U=item_U, place_RL=torch.full_like(item_RL, -1).masked_scatter(item_RL >= 0, place))

    def pairs(self) -> tuple[Tensor, Tensor]:
        """Rows and their items."""
        row_H, place_H = (self.place_RL >= 0).nonzero(as_tuple=True)
        return row_H, self.item_U[self.place_RL[row_H, place_H]]

    def repeats(self, model: TwoTower, batch: Batch, item_UD: Tensor) -> Repeats | None:
        """With the embeddings of item_U, what a loss has to know; None if nobody had anything."""
        assert model.repeat is not None
        if not len(self.item_U):
            return None
        item_RL = torch.where(self.place_RL >= 0, self.item_U[self.place_RL], -1)
        same_PL = item_RL[batch.row_P] == batch.item_C[batch.column_P, None]
        at_P = torch.where(same_PL.any(dim=1), same_PL.int().argmax(dim=1), -1)
        return Repeats(item_UD=item_UD, place_RL=self.place_RL, term_RL=model.repeat(batch.users), at_P=at_P)
