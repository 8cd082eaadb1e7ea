"""The towers: encoded features to an embedding, of unit length where scores are cosines.

Legend: B rows, D dimension of the embedding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_repo.encode import Input, InputKind
from training.recipes.towers import TowerConfig
from training.towers.bodies import mlp
from training.towers.histories import HistoryPooling
from training.towers.inputs import Features, SideFeatures
from training.towers.items import ItemVectors


class ItemTower(nn.Module):
    """v_i + MLP(v_i, side features), normalised where `unit`: float32 [B, D]."""

    def __init__(
        self, inputs: Sequence[Input], vectors: ItemVectors, config: TowerConfig, dim: int, *, unit: bool
    ) -> None:
        super().__init__()
        self.unit = unit
        self.vectors = vectors
        self.side = SideFeatures(inputs[1:], config)
        self.mlp = mlp(dim + self.side.width, config, dim)

    def forward(self, features: Features) -> Tensor:
        vector_BD = self.vectors(features)
        embedding_BD = vector_BD + self.mlp(torch.cat([vector_BD, *self.side(features)], dim=1))
        return F.normalize(embedding_BD, dim=1) if self.unit else embedding_BD


class UserTower(nn.Module):
    """Σ_h gain_h · h + MLP(histories h, side features), normalised where `unit`: float32 [B, D]. The user's id is not
    used: the history says who it is, and says it of users who came after training too."""

    def __init__(
        self, inputs: Sequence[Input], vectors: ItemVectors, config: TowerConfig, dim: int, *, unit: bool
    ) -> None:
        super().__init__()
        self.unit = unit
        self.vectors = vectors
        self.side = SideFeatures(inputs[1:], config)
        self.histories = tuple(each.name for each in inputs if each.kind is InputKind.HISTORY)
        self.pooling = nn.ModuleDict({name: HistoryPooling(config.history_dropout) for name in self.histories})
        self.gain = nn.Parameter(torch.ones(len(self.histories)))
        self.mlp = mlp(dim * len(self.histories) + self.side.width, config, dim)

    def forward(self, features: Features) -> Tensor:
        pooled = []
        for name in self.histories:
            fields = [features[f"{name}_{part}"] for part in ("items", "ages", "counts")]
            pooled.append(self.pooling[name](self.vectors, *fields))
        embedding_BD = self.mlp(torch.cat([*pooled, *self.side(features)], dim=1))
        for gain, history_BD in zip(self.gain, pooled, strict=True):
            embedding_BD = embedding_BD + gain * history_BD
        return F.normalize(embedding_BD, dim=1) if self.unit else embedding_BD
