"""Towers of users and items: encoded features to an embedding.

Legend: B rows, D dimension of the embedding.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from feature_repo.encode import Input, InputKind
from training.recipes.towers import Body, TowerConfig
from training.towers.bodies import SharedLayer, build_body
from training.towers.histories import build_history
from training.towers.item_prior import ItemPrior, One
from training.towers.item_vectors import ItemVectors, dropped, id_table
from training.towers.normalize import unit
from training.towers.side_features import Features, SideFeatures


class Tower(nn.Module):
    """Base of both towers: vectors of dimension D, and a body over them.

    The body also reads the side features. Without a body the vectors alone make the
    embedding.

    Args:
        inputs: inputs of the tower, its id first.
        vectors: item vectors that both towers share.
        config: declaration of both towers.
        dim: D.
        middle: layer that both bodies share; None for none.
        normalise: what makes embeddings comparable, see `Score`.
        prior: whether served embeddings end in the coordinate of an `ItemPrior`.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        vectors: ItemVectors,
        config: TowerConfig,
        dim: int,
        middle: SharedLayer | None = None,
        *,
        normalise: Callable[[Tensor], Tensor] = unit,
        prior: bool = False,
    ) -> None:
        super().__init__()
        self.key, self.normalise = inputs[0].name, normalise
        self.prior = self._prior(inputs[0].size) if prior else None
        self.vectors = vectors
        declared, parts = self._build(inputs, config, dim)
        self.body = None
        if declared is not None:
            self.side = SideFeatures(inputs[1:], config)
            self.body = build_body(declared, parts * dim + self.side.width, dim, middle)

    @abstractmethod
    def _build(self, inputs: Sequence[Input], config: TowerConfig, dim: int) -> tuple[Body | None, int]:
        """Build the tower's modules, its declared body, and the width that reads."""

    @abstractmethod
    def _prior(self, size: int) -> nn.Module:
        """Build what computes the last coordinate from ids, for a vocabulary size."""

    def _served(self, embedding_BD: Tensor, features: Features) -> Tensor:
        """Normalise embeddings; outside training, with the coordinate of the prior."""
        unit_BD = self.normalise(embedding_BD)
        # The towers are trained without it: it is learned beside them when they are done.
        if self.prior is None or self.training:
            return unit_BD
        return torch.cat([unit_BD, self.prior(features[self.key])], dim=1)


class ItemTower(Tower):
    """v_i + body(v_i, side features), normalised."""

    def _build(self, inputs: Sequence[Input], config: TowerConfig, dim: int) -> tuple[Body | None, int]:
        return config.item, 1

    def _prior(self, size: int) -> nn.Module:
        return ItemPrior(size)

    def forward(self, features: Features) -> Tensor:
        """Embeddings of items: float32 [B, D]; with a prior, served ones [B, D + 1]."""
        embedding_BD = self.vectors(features)
        if self.body is not None:
            embedding_BD = embedding_BD + self.body(torch.cat([embedding_BD, *self.side(features)], dim=1))
        return self._served(embedding_BD, features)


class UserTower(Tower):
    """Σ_h gain_h · h + body(histories h, side features), normalised.

    With `user_id` in the recipe a vector of the user's id joins the sum. Otherwise the
    history alone identifies a user, also one who came after training.
    """

    def _build(self, inputs: Sequence[Input], config: TowerConfig, dim: int) -> tuple[Body | None, int]:
        self.id_dropout = config.id_dropout
        self.ids = id_table(inputs[0].size, dim) if config.user_id else None
        self.histories = tuple(each.name for each in inputs if each.kind is InputKind.HISTORY)
        self.readers = nn.ModuleList(build_history(config.history, dim) for _ in self.histories)
        # Readers return unit vectors, so their weights in the sum must be learned.
        self.gain = nn.Parameter(torch.ones(len(self.histories)))
        parts = len(self.histories) + config.user_id
        if config.user is None and not parts:
            raise ValueError(
                "the user tower has no input: got no history, and a recipe with neither user_id nor a body; add one "
                "of the three"
            )
        return config.user, parts

    def _prior(self, size: int) -> nn.Module:
        return One()

    def forward(self, features: Features) -> Tensor:
        """Embeddings of users: float32 [B, D]; with a prior, served ones [B, D + 1]."""
        read = []
        for name, reader in zip(self.histories, self.readers, strict=True):
            fields = [features[f"{name}_{part}"] for part in ("items", "ages", "counts")]
            read.append(reader(self.vectors, *fields))
        parts = [gain * history_BD for gain, history_BD in zip(self.gain, read, strict=True)]
        if self.ids is not None:
            read.append(self.ids(dropped(features[self.key], self.id_dropout if self.training else 0.0)))
            parts.append(read[-1])
        if self.body is not None:
            parts.insert(0, self.body(torch.cat([*read, *self.side(features)], dim=1)))
        return self._served(sum(parts[1:], parts[0]), features)
