"""Base of the history readers.

Legend: B rows, L history length, D dimension of the embedding.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from feature_repo.encode import PAD
from training.towers.item_vectors import ItemVectors


class Reader(nn.Module):
    """History as one vector of unit length; the zero vector for an empty history.

    In training a random share of each history, uniform in [0, 2·dropout], is left out:
    without that a history identifies its user, and the tower learns users by heart.
    Padding and left-out items have no influence.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout

    @abstractmethod
    def forward(self, vectors: ItemVectors, items_BL: Tensor, ages_BL: Tensor, counts_BL: Tensor) -> Tensor:
        """Vectors of the histories: float32 [B, D].

        Args:
            vectors: the item vectors.
            items_BL: item codes, newest first, PAD at the end.
            ages_BL: log ages.
            counts_BL: log counts.

        Returns:
            One vector a row.
        """

    def kept(self, items_BL: Tensor) -> Tensor:
        """Positions that are read: bool [B, L]."""
        there_BL = items_BL != PAD
        if self.training and self.dropout:
            share_B1 = torch.rand(len(items_BL), 1, device=items_BL.device) * 2 * self.dropout
            there_BL = there_BL & (torch.rand(items_BL.shape, device=items_BL.device) >= share_B1)
        return there_BL


class InTime(NamedTuple):
    """Histories in time order: oldest item first, newest at position length − 1."""

    items_BL: Tensor
    """Item codes; nothing counts behind the newest."""
    facts_BL2: Tensor
    """Log age and log count."""
    rank_BL: Tensor
    """Number of newer items."""
    length_B: Tensor
    """Number of items."""


def in_time_order(items_BL: Tensor, facts_BL2: Tensor, kept_BL: Tensor) -> InTime:
    """Histories from oldest to newest, without the positions that are not kept.

    With padding at the end a causal model needs no mask, because no position looks
    ahead.

    Args:
        items_BL: item codes, newest first.
        facts_BL2: log age and log count.
        kept_BL: positions to keep.

    Returns:
        The kept items, oldest first.
    """
    position_L = torch.arange(items_BL.shape[1], device=items_BL.device)
    # Kept positions from the last, which is the oldest, to the first; all others
    # behind.
    order_BL = torch.where(kept_BL, -position_L, 1).argsort(dim=1)
    length_B = kept_BL.sum(dim=1)
    return InTime(
        items_BL=items_BL.gather(1, order_BL),
        facts_BL2=facts_BL2.gather(1, order_BL[:, :, None].expand_as(facts_BL2)),
        rank_BL=(length_B[:, None] - 1 - position_L).clamp_min(0),
        length_B=length_B,
    )


def at_newest(states_BLH: Tensor, length_B: Tensor) -> Tensor:
    """State at each row's newest item, [B, 1, H]; of an empty row, at position 0."""
    last_B11 = (length_B - 1).clamp_min(0)[:, None, None]
    return states_BLH.gather(1, last_B11.expand(-1, 1, states_BLH.shape[2]))


def fact_layers(width: int) -> nn.Sequential:
    """Learned function of an item's log age and log count: [..., 2] -> [..., width]."""
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, width))
