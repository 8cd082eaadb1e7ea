"""Side features: all features but ids and histories, embedded and concatenated.

Legend: B rows, F features of a kind, T elements of all bags of a row, E width of an
embedded feature, W width of the side features.
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
"""Arrays of an encoder, as tensors."""


class SideFeatures(nn.Module):
    """All features but ids and histories, as parts of width W together.

    Towers have many small features. One table and one kernel for all codes, and one for
    all bags, save most of the fixed cost of a step: a call per feature forward and
    backward, and an update per table.
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
        """Parts [B, ...] to concatenate, W wide in total."""
        return [part(features) for part in self.parts] + [features[name] for name in self.plain]


class CodeTables(nn.Module):
    """Codes of several vocabularies, embedded by one table of stacked blocks."""

    def __init__(self, inputs: Sequence[Input], dim: int) -> None:
        super().__init__()
        self.names = tuple(each.name for each in inputs)
        self.table = nn.Embedding(sum(each.size for each in inputs), dim)
        self.register_buffer("first_F", torch.tensor(_starts([each.size for each in inputs]), dtype=torch.int32))

    def forward(self, features: Features) -> Tensor:
        """Embedded codes side by side: float32 [B, F·E]."""
        codes_BF = torch.stack([features[name] for name in self.names], dim=1)
        return self.table(codes_BF + self.get_buffer("first_F")).flatten(1)


class BagTables(nn.Module):
    """Bags of several vocabularies, embedded and averaged by one table.

    Bags of any lengths are concatenated and separated by offsets, so none is padded to
    the length of another. Row PAD of the table serves as the padding of all.
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
        """Mean embedding of each bag side by side: float32 [B, F·E]; zero if empty."""
        codes_BT = torch.cat([features[name] for name in self.names], dim=1)
        rows_BT = torch.where(codes_BT == PAD, PAD, codes_BT + self.get_buffer("first_T"))
        size, length = rows_BT.shape
        offsets_BF = torch.arange(size, dtype=torch.int32, device=rows_BT.device)[:, None] * length
        bags_GE = self.table(rows_BT.flatten(), (offsets_BF + self.get_buffer("start_F")).flatten())
        return bags_GE.reshape(size, -1)


def _starts(sizes: Sequence[int]) -> list[int]:
    """First index of each of several consecutive blocks."""
    return [0, *accumulate(sizes)][: len(sizes)]
