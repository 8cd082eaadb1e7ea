"""The towers: encoded features to an L2-normalised embedding.

Legend: B rows, L history length, V item vocabulary, W width of the side features, D dimension of the embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_repo.encode import PAD, UNKNOWN, Input, InputKind
from training.recipes import TowerConfig

Features = dict[str, Tensor]
START_STD = 0.3
"""Length of a fresh id or category vector: small beside the MLP, so that content is learned first and ids refine it."""


class ItemVectors(nn.Module):
    """The item vectors that both towers share: v_i = id_i + Σ_f category_f(i).

    So an item in a user's history speaks for itself and for its kind.

    identity: the item id. categories: the item's categorical inputs. codes_of: for each of them int32 [V], the code of
    every item of the id vocabulary, which is how a history finds its items' categories.
    """

    def __init__(
        self,
        identity: Input,
        categories: Sequence[Input],
        codes_of: Mapping[str, Tensor],
        dim: int,
        id_dropout: float,
    ) -> None:
        super().__init__()
        self.key = identity.name
        self.id_dropout = id_dropout
        self.names = tuple(category.name for category in categories)
        self.ids = _table(identity.size, dim, sparse=True)
        self.tables = nn.ModuleDict({each.name: _table(each.size, dim, sparse=False) for each in categories})
        for name in self.names:
            self.register_buffer(f"codes_of_{name}", codes_of[name])

    def forward(self, features: Features) -> Tensor:
        """[B, D] of items given by their features. Id dropout trains the row UNKNOWN that unknown items get."""
        codes_B = features[self.key]
        if self.training and self.id_dropout:
            dropped_B = torch.rand(codes_B.shape, device=codes_B.device) < self.id_dropout
            codes_B = codes_B.masked_fill(dropped_B, UNKNOWN)
        vectors_BD = self.ids(codes_B)
        for name in self.names:
            vectors_BD = vectors_BD + self.tables[name](features[name])
        return vectors_BD

    def of(self, items: Tensor) -> Tensor:
        """[..., D] of items given by their id codes, of any shape."""
        vectors = self.ids(items)
        for name in self.names:
            vectors = vectors + self.tables[name](self.get_buffer(f"codes_of_{name}")[items])
        return vectors

    def pooled(self, items_BL: Tensor, weights_BL: Tensor) -> Tensor:
        """[B, D]: Σ_l weight_l · v_l of items given by their id codes.

        In training the vectors of the batch's distinct items are built once and then summed by one fused kernel; an
        exported program, whose shapes must not depend on data, gathers them row by row. Both give the same.
        """
        if not self.training:
            return (weights_BL[:, :, None] * self.of(items_BL.long())).sum(dim=1)
        items_U, places_BL = torch.unique(items_BL.long(), return_inverse=True)
        return F.embedding_bag(places_BL, self.of(items_U), per_sample_weights=weights_BL, mode="sum")


class HistoryPooling(nn.Module):
    """A history as the weighted sum of its items' vectors, of unit length.

    w_l ∝ exp(a·log age_l + c·log count_l + g(log age_l, log count_l)), learned; it starts as count / sqrt(age). In
    training a random share of each history, uniform in [0, 2·dropout], is left out: without it a history names its
    user, and the tower learns users by heart. An empty history gives the zero vector.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.linear = nn.Parameter(torch.tensor([-0.5, 1.0]))
        self.score = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, vectors: ItemVectors, items_BL: Tensor, ages_BL: Tensor, counts_BL: Tensor) -> Tensor:
        facts_BL2 = torch.stack([ages_BL, counts_BL], dim=-1)
        scores_BL = self.score(facts_BL2).squeeze(-1) + facts_BL2 @ self.linear
        there_BL = (items_BL != PAD).float()
        if self.training and self.dropout:
            share_B1 = torch.rand(len(items_BL), 1, device=items_BL.device) * 2 * self.dropout
            there_BL = there_BL * (torch.rand(items_BL.shape, device=items_BL.device) >= share_B1)
        weights_BL = torch.exp(scores_BL.clamp(-10.0, 10.0)) * there_BL
        weights_BL = weights_BL / weights_BL.sum(dim=1, keepdim=True).clamp_min(1e-9)
        return F.normalize(vectors.pooled(items_BL, weights_BL), dim=1)


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


class ItemTower(nn.Module):
    """normalise(v_i + MLP(v_i, side features)): float32 [B, D]."""

    def __init__(self, inputs: Sequence[Input], vectors: ItemVectors, config: TowerConfig, dim: int) -> None:
        super().__init__()
        self.vectors = vectors
        self.side = SideFeatures(inputs[1:], config)
        self.mlp = _mlp(dim + self.side.width, config, dim)

    def forward(self, features: Features) -> Tensor:
        vector_BD = self.vectors(features)
        return F.normalize(vector_BD + self.mlp(torch.cat([vector_BD, *self.side(features)], dim=1)), dim=1)


class UserTower(nn.Module):
    """normalise(Σ_h gain_h · h + MLP(histories h, side features)): float32 [B, D]. The user's id is not used: the
    history says who it is, and says it of users who came after training too."""

    def __init__(self, inputs: Sequence[Input], vectors: ItemVectors, config: TowerConfig, dim: int) -> None:
        super().__init__()
        self.vectors = vectors
        self.side = SideFeatures(inputs[1:], config)
        self.histories = tuple(each.name for each in inputs if each.kind is InputKind.HISTORY)
        self.pooling = nn.ModuleDict({name: HistoryPooling(config.history_dropout) for name in self.histories})
        self.gain = nn.Parameter(torch.ones(len(self.histories)))
        self.mlp = _mlp(dim * len(self.histories) + self.side.width, config, dim)

    def forward(self, features: Features) -> Tensor:
        pooled = []
        for name in self.histories:
            fields = [features[f"{name}_{part}"] for part in ("items", "ages", "counts")]
            pooled.append(self.pooling[name](self.vectors, *fields))
        embedding_BD = self.mlp(torch.cat([*pooled, *self.side(features)], dim=1))
        for gain, history_BD in zip(self.gain, pooled, strict=True):
            embedding_BD = embedding_BD + gain * history_BD
        return F.normalize(embedding_BD, dim=1)


def _mlp(width: int, config: TowerConfig, dim: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in config.hidden:
        layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(config.dropout)]
        width = size
    return nn.Sequential(*layers, nn.Linear(width, dim))


def _table(size: int, dim: int, *, sparse: bool) -> nn.Embedding:
    table = nn.Embedding(size, dim, sparse=sparse)
    nn.init.normal_(table.weight, std=START_STD * dim**-0.5)
    return table
