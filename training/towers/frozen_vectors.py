"""Frozen behavioural vectors inside a tower, found by the codes of items.

They are buffers of the tower: exported with it, so that serving needs nothing new, and never trained.

Legend: B rows, L history length, V item vocabulary, F factors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_repo.encode import RESERVED, UNKNOWN, Input


class FrozenVectors(nn.Module):
    """The vector of every row, or the mean where there is none, and whether that is so: float32 [B, F + 1].

    In training a random share of the rows is treated as cold, so that the tower learns what to do with the mean
    [DropoutNet: Volkovs, Yu and Poutanen, NeurIPS 2017]. NaN until `fill`: towers without their vectors must not work.
    """

    vectors_VF: Tensor
    mean_F: Tensor

    def __init__(self, each: Input, dropout: float) -> None:
        super().__init__()
        self.name = each.name
        self.dropout = dropout
        self.register_buffer("vectors_VF", torch.full((each.size, each.width - 1), torch.nan))
        self.register_buffer("mean_F", torch.full((each.width - 1,), torch.nan))

    def fill(self, vectors_VF: Tensor, mean_F: Tensor) -> None:
        """vectors_VF: one row per code, zero for the reserved ones. mean_F: what a cold row gets."""
        if vectors_VF.shape != self.vectors_VF.shape:
            got, wanted = tuple(vectors_VF.shape), tuple(self.vectors_VF.shape)
            raise ValueError(f"behavioural vectors of {self.name!r}: got {got}, wanted {wanted}")
        self.vectors_VF, self.mean_F = vectors_VF, mean_F

    def known(self, codes: Tensor) -> Tensor:
        """The codes, UNKNOWN for ids that came after the vectors were made."""
        return codes.masked_fill(codes >= len(self.vectors_VF), UNKNOWN)

    def substituted(self, vectors_BF: Tensor, known_B1: Tensor) -> Tensor:
        """[B, F + 1]: known vectors, the mean for all others, and 1 for these."""
        if self.training and self.dropout:
            known_B1 = known_B1 & (torch.rand(known_B1.shape, device=known_B1.device) >= self.dropout)
        return torch.cat([torch.where(known_B1, vectors_BF, self.mean_F), (~known_B1).float()], dim=1)


class ItemBehaviour(FrozenVectors):
    """The behavioural vectors of items by their id codes; an item without an id of its own gets the mean."""

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        codes_B = self.known(features[self.name])
        return self.substituted(F.embedding(codes_B, self.vectors_VF), codes_B[:, None] >= RESERVED)


class UserBehaviour(FrozenVectors):
    """A user's behavioural vector, folded in from the history: the mean of its items' vectors, by log count.

    A history without a known item gives the mean of the training users.
    """

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        items_BL = self.known(features[f"{self.name}_items"])
        weights_BL = features[f"{self.name}_counts"] * (items_BL >= RESERVED)
        total_B1 = weights_BL.sum(dim=1, keepdim=True)
        sums_BF = F.embedding_bag(items_BL, self.vectors_VF, per_sample_weights=weights_BL, mode="sum")
        return self.substituted(sums_BF / total_B1.clamp_min(1e-9), total_B1 > 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Behaviour:
    """Vectors and where they go. user_inputs, item_inputs: the inputs that towers have besides their encoder's.

    vectors_VF: zero for reserved codes. item_mean_F: mean of the known items; user_mean_F: of the training users.
    """

    vectors_VF: Tensor
    item_mean_F: Tensor
    user_mean_F: Tensor
    user_inputs: tuple[Input, ...]
    item_inputs: tuple[Input, ...]

    def fill(self, model: nn.Module) -> None:
        """Put the vectors into the towers that were built with these inputs; they share one table."""
        for part in model.modules():
            if isinstance(part, ItemBehaviour):
                part.fill(self.vectors_VF, self.item_mean_F)
            elif isinstance(part, UserBehaviour):
                part.fill(self.vectors_VF, self.user_mean_F)
