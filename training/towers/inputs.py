"""Side features: everything but ids and histories, embedded and side by side.

Legend: B rows, W width of the side features.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from feature_repo.encode import PAD, Input, InputKind
from training.recipes.towers import TowerConfig
from training.towers.behavioural import ItemBehaviour, UserBehaviour

Features = dict[str, Tensor]
"""The arrays of an encoder, as tensors."""


class SideFeatures(nn.Module):
    """Everything but ids and histories, side by side: [B, W]."""

    def __init__(self, inputs: Sequence[Input], config: TowerConfig) -> None:
        super().__init__()
        self.inputs = tuple(each for each in inputs if each.kind is not InputKind.HISTORY)
        self.codes = nn.ModuleDict()
        self.bags = nn.ModuleDict()
        self.behaviour = nn.ModuleList()
        self.width = 0
        for each in self.inputs:
            if each.kind in (InputKind.CODE, InputKind.BUCKET):
                self.codes[each.name] = nn.Embedding(each.size, config.embedding_dim)
            elif each.kind is InputKind.BAG:
                self.bags[each.name] = nn.EmbeddingBag(each.size, config.embedding_dim, mode="sum", padding_idx=PAD)
            elif each.kind is InputKind.BEHAVIOUR:
                self.behaviour.append(ItemBehaviour(each, config.id_dropout))
            elif each.kind is InputKind.HISTORY_BEHAVIOUR:
                self.behaviour.append(UserBehaviour(each, config.id_dropout))
            embedded = each.kind in (InputKind.CODE, InputKind.BUCKET, InputKind.BAG)
            self.width += config.embedding_dim if embedded else each.width

    def forward(self, features: Features) -> list[Tensor]:
        parts = []
        for each in self.inputs:
            if each.kind in (InputKind.BEHAVIOUR, InputKind.HISTORY_BEHAVIOUR):
                continue
            value = features[each.name]
            if each.kind in (InputKind.CODE, InputKind.BUCKET):
                value = self.codes[each.name](value)
            elif each.kind is InputKind.BAG:
                value = self.bags[each.name](value) / (value != PAD).sum(dim=1, keepdim=True).clamp_min(1)
            parts.append(value)
        return parts + [vectors(features) for vectors in self.behaviour]
