"""Side features: everything but ids and histories, embedded and side by side.

Legend: B rows, W width of the side features.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from feature_repo.encode import PAD, Input, InputKind
from training.recipes.towers import TowerConfig

Features = dict[str, Tensor]
"""The arrays of an encoder, as tensors."""


class SideFeatures(nn.Module):
    """Everything but ids and histories, side by side: [B, W]."""

    def __init__(self, inputs: Sequence[Input], config: TowerConfig) -> None:
        super().__init__()
        self.inputs = tuple(each for each in inputs if each.kind is not InputKind.HISTORY)
        self.codes = nn.ModuleDict()
        self.bags = nn.ModuleDict()
        self.width = 0
        for each in self.inputs:
            if each.kind in (InputKind.CODE, InputKind.BUCKET):
                self.codes[each.name] = nn.Embedding(each.size, config.embedding_dim)
            elif each.kind is InputKind.BAG:
                self.bags[each.name] = nn.EmbeddingBag(each.size, config.embedding_dim, mode="sum", padding_idx=PAD)
            plain = each.kind in (InputKind.NUMBER, InputKind.VECTOR)
            self.width += each.width if plain else config.embedding_dim

    def forward(self, features: Features) -> list[Tensor]:
        parts = []
        for each in self.inputs:
            value = features[each.name]
            if each.kind in (InputKind.CODE, InputKind.BUCKET):
                value = self.codes[each.name](value)
            elif each.kind is InputKind.BAG:
                value = self.bags[each.name](value) / (value != PAD).sum(dim=1, keepdim=True).clamp_min(1)
            parts.append(value)
        return parts
