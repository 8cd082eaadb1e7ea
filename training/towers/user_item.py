"""The towers: encoded features to an embedding, of unit length where scores are cosines.

Legend: B rows, D dimension of the embedding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from feature_repo.encode import Input, InputKind
from training.recipes.towers import TowerConfig
from training.towers.bodies import SharedLayer, build_body
from training.towers.histories import build_history
from training.towers.item_vectors import ItemVectors, dropped, id_table
from training.towers.normalize import unit
from training.towers.side_features import Features, SideFeatures


class ItemTower(nn.Module):
    """v_i + body(v_i, side features), normalised where `unit`: float32 [B, D]. middle: shared with the other tower, or
    none. Without a body the item vector alone is the embedding."""

    def __init__(
        self,
        inputs: Sequence[Input],
        vectors: ItemVectors,
        config: TowerConfig,
        dim: int,
        middle: SharedLayer | None = None,
        *,
        unit: bool = True,
    ) -> None:
        super().__init__()
        self.unit = unit
        self.vectors = vectors
        self.body = None
        if config.item is not None:
            self.side = SideFeatures(inputs[1:], config)
            self.body = build_body(config.item, dim + self.side.width, dim, middle)

    def forward(self, features: Features) -> Tensor:
        embedding_BD = self.vectors(features)
        if self.body is not None:
            embedding_BD = embedding_BD + self.body(torch.cat([embedding_BD, *self.side(features)], dim=1))
        return unit(embedding_BD) if self.unit else embedding_BD


class UserTower(nn.Module):
    """Σ_h gain_h · h + body(histories h, side features), normalised where `unit`: float32 [B, D].

    The user's id is used only where the recipe wants it, as one more vector in the sum: the history says who it is, and
    says it of users who came after training too. middle: shared with the other tower, or none. Without a body the sum
    alone is the embedding.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        vectors: ItemVectors,
        config: TowerConfig,
        dim: int,
        middle: SharedLayer | None = None,
        *,
        unit: bool = True,
    ) -> None:
        super().__init__()
        self.unit = unit
        self.vectors = vectors
        self.key, self.id_dropout = inputs[0].name, config.id_dropout
        self.ids = id_table(inputs[0].size, dim) if config.user_id else None
        self.histories = tuple(each.name for each in inputs if each.kind is InputKind.HISTORY)
        self.readers = nn.ModuleDict({name: build_history(config.history, dim) for name in self.histories})
        self.gain = nn.Parameter(torch.ones(len(self.histories)))
        self.body = None
        if config.user is not None:
            self.side = SideFeatures(inputs[1:], config)
            width = dim * (len(self.histories) + config.user_id) + self.side.width
            self.body = build_body(config.user, width, dim, middle)
        elif self.ids is None and not self.histories:
            raise ValueError("the user tower sees nothing: no history, and the recipe has neither user_id nor a body")

    def forward(self, features: Features) -> Tensor:
        read = []
        for name in self.histories:
            fields = [features[f"{name}_{part}"] for part in ("items", "ages", "counts")]
            read.append(self.readers[name](self.vectors, *fields))
        parts = [gain * history_BD for gain, history_BD in zip(self.gain, read, strict=True)]
        if self.ids is not None:
            read.append(self.ids(dropped(features[self.key], self.id_dropout if self.training else 0.0)))
            parts.append(read[-1])
        if self.body is not None:
            parts.insert(0, self.body(torch.cat([*read, *self.side(features)], dim=1)))
        embedding_BD = sum(parts[1:], parts[0])
        return unit(embedding_BD) if self.unit else embedding_BD
