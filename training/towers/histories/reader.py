"""What all readers of histories share.

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
    """A history as one vector of unit length; the zero vector for an empty one.

    In training a random share of each history, uniform in [0, 2·dropout], is left out: without it a history names its
    user, and the tower learns users by heart. What is padded or left out has no influence.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout

    @abstractmethod
    def forward(self, vectors: ItemVectors, items_BL: Tensor, ages_BL: Tensor, counts_BL: Tensor) -> Tensor:
        """float32 [B, D] from codes [B, L], newest first and PAD at the end, their log ages and log counts [B, L]."""

    def kept(self, items_BL: Tensor) -> Tensor:
        """bool [B, L]: the places that are read."""
        there_BL = items_BL != PAD
        if self.training and self.dropout:
            share_B1 = torch.rand(len(items_BL), 1, device=items_BL.device) * 2 * self.dropout
            there_BL = there_BL & (torch.rand(items_BL.shape, device=items_BL.device) >= share_B1)
        return there_BL


class InTime(NamedTuple):
    """Histories from the oldest item at place 0 to the newest at place length − 1; behind it nothing counts.

    rank_BL: how many newer items there are.
    """

    items_BL: Tensor
    facts_BL2: Tensor
    rank_BL: Tensor
    length_B: Tensor


def in_time_order(items_BL: Tensor, facts_BL2: Tensor, kept_BL: Tensor) -> InTime:
    """Turn histories that are newest first, and close the gaps of what is not kept.

    With what does not count at the end, a causal model needs no mask: nothing looks ahead.
    """
    place_L = torch.arange(items_BL.shape[1], device=items_BL.device)
    order_BL = torch.where(kept_BL, -place_L, 1).argsort(dim=1)
    length_B = kept_BL.sum(dim=1)
    return InTime(
        items_BL=items_BL.gather(1, order_BL),
        facts_BL2=facts_BL2.gather(1, order_BL[:, :, None].expand_as(facts_BL2)),
        rank_BL=(length_B[:, None] - 1 - place_L).clamp_min(0),
        length_B=length_B,
    )


def at_newest(states_BLH: Tensor, length_B: Tensor) -> Tensor:
    """[B, 1, H]: each row's state at its newest item; of an empty row, at place 0."""
    last_B11 = (length_B - 1).clamp_min(0)[:, None, None]
    return states_BLH.gather(1, last_B11.expand(-1, 1, states_BLH.shape[2]))


def fact_layers(width: int) -> nn.Sequential:
    """A learned function of an item's log age and log count: [..., 2] -> [..., width]."""
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, width))
