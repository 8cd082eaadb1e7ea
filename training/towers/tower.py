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
from training.towers.bodies import SharedMiddle, build_body
from training.towers.histories import build_history
from training.towers.inputs import Features, SideFeatures
from training.towers.items import ItemVectors


class ItemTower(nn.Module):
    """v_i + body(v_i, side features), normalised where `unit`: float32 [B, D]. middle: shared with the other tower, or
    none."""

    def __init__(
        self,
        inputs: Sequence[Input],
        vectors: ItemVectors,
        config: TowerConfig,
        dim: int,
        middle: SharedMiddle | None = None,
        *,
        unit: bool = True,
    ) -> None:
        super().__init__()
        self.unit = unit
        self.vectors = vectors
        self.side = SideFeatures(inputs[1:], config)
        self.body = build_body(config.item, dim + self.side.width, dim, middle)

    def forward(self, features: Features) -> Tensor:
        vector_BD = self.vectors(features)
        embedding_BD = vector_BD + self.body(torch.cat([vector_BD, *self.side(features)], dim=1))
        return F.normalize(embedding_BD, dim=1) if self.unit else embedding_BD


class UserTower(nn.Module):
    """Σ_h gain_h · h + body(histories h, side features), normalised where `unit`: float32 [B, D].

    The user's id is not used: the history says who it is, and says it of users who came after training too. middle:
    shared with the other tower, or none.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        vectors: ItemVectors,
        config: TowerConfig,
        dim: int,
        middle: SharedMiddle | None = None,
        *,
        unit: bool = True,
    ) -> None:
        super().__init__()
        self.unit = unit
        self.vectors = vectors
        self.side = SideFeatures(inputs[1:], config)
        self.histories = tuple(each.name for each in inputs if each.kind is InputKind.HISTORY)
        self.readers = nn.ModuleDict({name: build_history(config.history, dim) for name in self.histories})
        self.gain = nn.Parameter(torch.ones(len(self.histories)))
        self.body = build_body(config.user, dim * len(self.histories) + self.side.width, dim, middle)

    def forward(self, features: Features) -> Tensor:
        read = []
        for name in self.histories:
            fields = [features[f"{name}_{part}"] for part in ("items", "ages", "counts")]
            read.append(self.readers[name](self.vectors, *fields))
        embedding_BD = self.body(torch.cat([*read, *self.side(features)], dim=1))
        for gain, history_BD in zip(self.gain, read, strict=True):
            embedding_BD = embedding_BD + gain * history_BD
        return F.normalize(embedding_BD, dim=1) if self.unit else embedding_BD
