"""Frozen behavioural vectors inside a tower, looked up by item code.

They are buffers of the tower: exported with it, so that serving needs nothing new, and
never trained.

Legend: B rows, L history length, V item vocabulary, F factors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_repo.encode import RESERVED, UNKNOWN, Input


class FrozenVectors(nn.Module):
    """Vector of every row, the mean if it has none, and a flag of that: [B, F + 1].

    In training a random share of the rows is treated as cold, so that the tower learns
    to use the mean [DropoutNet: Volkovs, Yu and Poutanen, NeurIPS 2017]. The vectors
    are NaN until `fill`: a tower without them must not work.
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
        """Set the vectors.

        Args:
            vectors_VF: one row per code, zero for the reserved codes.
            mean_F: the vector of a cold row.

        Raises:
            ValueError: the table has another shape than the tower was built for.
        """
        if vectors_VF.shape != self.vectors_VF.shape:
            got, wanted = tuple(vectors_VF.shape), tuple(self.vectors_VF.shape)
            raise ValueError(f"behavioural vectors of {self.name!r}: got {got}, wanted {wanted}")
        self.vectors_VF, self.mean_F = vectors_VF, mean_F

    def known(self, codes: Tensor) -> Tensor:
        """Codes, with UNKNOWN for ids that came after the vectors were made."""
        return codes.masked_fill(codes >= len(self.vectors_VF), UNKNOWN)

    def substituted(self, vectors_BF: Tensor, known_B1: Tensor) -> Tensor:
        """Known vectors, the mean for all others, and a flag of these: [B, F + 1]."""
        if self.training and self.dropout:
            known_B1 = known_B1 & (torch.rand(known_B1.shape, device=known_B1.device) >= self.dropout)
        return torch.cat([torch.where(known_B1, vectors_BF, self.mean_F), (~known_B1).float()], dim=1)


class ItemBehaviour(FrozenVectors):
    """Behavioural vectors of items; an item without an id of its own gets the mean."""

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Vector of each item by its id code: float32 [B, F + 1]."""
        codes_B = self.known(features[self.name])
        return self.substituted(F.embedding(codes_B, self.vectors_VF), codes_B[:, None] >= RESERVED)


class UserBehaviour(FrozenVectors):
    """Behavioural vectors of users, folded in from their histories.

    A user's vector is the mean of the history items' vectors, weighted by log count. A
    history without a known item gives the mean of the training users.
    """

    def forward(self, features: dict[str, Tensor]) -> Tensor:
        """Vector of each user by the history: float32 [B, F + 1]."""
        items_BL = self.known(features[f"{self.name}_items"])
        weights_BL = features[f"{self.name}_counts"] * (items_BL >= RESERVED)
        total_B1 = weights_BL.sum(dim=1, keepdim=True)
        sums_BF = F.embedding_bag(items_BL, self.vectors_VF, per_sample_weights=weights_BL, mode="sum")
        return self.substituted(sums_BF / total_B1.clamp_min(1e-9), total_B1 > 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Behaviour:
    """Behavioural vectors of one training, and the tower inputs that read them."""

    vectors_VF: Tensor
    """Item vectors by code, zero for the reserved codes."""
    item_mean_F: Tensor
    """Mean of the known items."""
    user_mean_F: Tensor
    """Mean of the training users."""
    user_inputs: tuple[Input, ...]
    """Inputs of the user tower beside its encoder's."""
    item_inputs: tuple[Input, ...]
    """Inputs of the item tower beside its encoder's."""

    def fill(self, model: nn.Module) -> None:
        """Fill the towers that were built with these inputs; they share one table."""
        for part in model.modules():
            if isinstance(part, ItemBehaviour):
                part.fill(self.vectors_VF, self.item_mean_F)
            elif isinstance(part, UserBehaviour):
                part.fill(self.vectors_VF, self.user_mean_F)
