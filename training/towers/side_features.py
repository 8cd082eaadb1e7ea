"""Side features: everything but ids and histories, embedded and side by side.

Legend: B rows, F features of a kind, T elements of all bags of a row, E width of an embedded feature, W width of the
side features.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from feature_repo.encode import PAD, Input, InputKind
from training.recipes.towers import TowerConfig
from training.towers.frozen_vectors import ItemBehaviour, UserBehaviour

Features = dict[str, Tensor]
"""The arrays of an encoder, as tensors."""


class SideFeatures(nn.Module):
    """Everything but ids and histories, side by side: [B, W].

    Towers have many small features. One table and one kernel for all codes, and one for all bags, spare a step most of
    its fixed costs: a call per feature in forward and backward, and an update per table.
    """

    def __init__(self, inputs: Sequence[Input], config: TowerConfig) -> None:
        super().__init__()

        def of(*kinds: InputKind) -> list[Input]:
            return [each for each in inputs if each.kind in kinds]

        codes, bags = of(InputKind.CODE, InputKind.BUCKET), of(InputKind.BAG)
        plain = of(InputKind.NUMBER, InputKind.VECTOR)
        items, users = of(InputKind.BEHAVIOUR), of(InputKind.HISTORY_BEHAVIOUR)
        parts: list[nn.Module] = [CodeTables(codes, config.embedding_dim)] if codes else []
        parts += [BagTables(bags, config.embedding_dim)] if bags else []
        parts += [ItemBehaviour(each, config.id_dropout) for each in items]
        parts += [UserBehaviour(each, config.id_dropout) for each in users]
        self.parts = nn.ModuleList(parts)
        self.plain = tuple(each.name for each in plain)
        self.width = config.embedding_dim * len(codes + bags) + sum(each.width for each in plain + items + users)

    def forward(self, features: Features) -> list[Tensor]:
        return [part(features) for part in self.parts] + [features[name] for name in self.plain]


class CodeTables(nn.Module):
    """Codes of several vocabularies, embedded by one table that holds them below each other: float32 [B, F·E]."""

    def __init__(self, inputs: Sequence[Input], dim: int) -> None:
        super().__init__()
        self.names = tuple(each.name for each in inputs)
        self.table = nn.Embedding(sum(each.size for each in inputs), dim)
        self.register_buffer("first_F", torch.tensor(_starts([each.size for each in inputs]), dtype=torch.int32))

    def forward(self, features: Features) -> Tensor:
        codes_BF = torch.stack([features[name] for name in self.names], dim=1)
        return self.table(codes_BF + self.get_buffer("first_F")).flatten(1)


class BagTables(nn.Module):
    """Bags of several vocabularies, embedded and averaged by one table: float32 [B, F·E]; an empty bag is zero.

    Bags of any lengths lie behind each other in a row and are told apart by their offsets, so none is padded to the
    length of another. Row PAD of the table stands for the padding of all.
    """

    def __init__(self, inputs: Sequence[Input], dim: int) -> None:
        super().__init__()
        self.names = tuple(each.name for each in inputs)
        self.table = nn.EmbeddingBag(sum(each.size for each in inputs), dim, mode="mean", padding_idx=PAD)
        widths = [each.width for each in inputs]
        first_F = torch.tensor(_starts([each.size for each in inputs]), dtype=torch.int32)
        self.register_buffer("first_T", first_F.repeat_interleave(torch.tensor(widths)))
        self.register_buffer("start_F", torch.tensor(_starts(widths), dtype=torch.int32))

    def forward(self, features: Features) -> Tensor:
        codes_BT = torch.cat([features[name] for name in self.names], dim=1)
        rows_BT = torch.where(codes_BT == PAD, PAD, codes_BT + self.get_buffer("first_T"))
        size, length = rows_BT.shape
        offsets_BF = torch.arange(size, dtype=torch.int32, device=rows_BT.device)[:, None] * length
        bags_GE = self.table(rows_BT.flatten(), (offsets_BF + self.get_buffer("start_F")).flatten())
        return bags_GE.reshape(size, -1)


def _starts(sizes: Sequence[int]) -> list[int]:
    """Where each of several blocks begins when they lie behind each other."""
    return [0, *accumulate(sizes)][: len(sizes)]
