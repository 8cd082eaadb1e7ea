"""Bias tower: from the surroundings of an impression to its bias.

Legend: S answers, L items of an answer, C features of the surroundings, W width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.recipes.bias_models import BiasTower

HIDDEN = 8
"""Width of a feature's vector below hidden layers."""
UNKNOWN = 0
"""Code of a hidden or missing value."""


class Surroundings(nn.Module):
    """Sum of the weights of each value, or a multilayer perceptron over their vectors.

    All weights of values start at 0, so that the towers alone explain the first clicks.

    Args:
        config: declaration of the bias.
        names: names of the impressions' surroundings.
        sizes: number of codes of each.
        width: width of the result.

    Raises:
        ValueError: a declared feature that the impressions do not have.
    """

    def __init__(self, config: BiasTower, names: Sequence[str], sizes: Sequence[int], width: int) -> None:
        super().__init__()
        if missing := [name for name in config.features if name not in names]:
            raise ValueError(
                f"{type(config).__name__} reads {', '.join(missing)}, and the impressions have "
                f"{', '.join(names) or 'no surroundings'}: bring these columns, or name others in features"
            )
        if unknown := [name for name in config.features if sizes[list(names).index(name)] < 2]:
            raise ValueError(
                f"{type(config).__name__} reads {', '.join(unknown)}, which no impression before the end of this "
                "training part has a value of: log it, wait, or name others in features"
            )
        self.dropout = config.dropout
        self.columns = [list(names).index(name) for name in config.features]
        self.sizes = [sizes[column] for column in self.columns]
        below = HIDDEN if config.widths else width
        self.tables = nn.ModuleList(nn.Embedding(sizes[column], below) for column in self.columns)
        for table in self.tables:
            (nn.init.normal_ if config.widths else nn.init.zeros_)(table.get_parameter("weight"))
        layers: list[nn.Module] = []
        edges = [below * len(self.tables), *config.widths]
        for before, after in zip(edges, edges[1:], strict=False):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(edges[-1], width)) if layers else None

    def forward(self, context_SLC: Tensor) -> Tensor:
        """Bias of each impression, [..., C] to float32 [..., W]."""
        of_tables = [
            table(self.hidden(context_SLC[..., column]))
            for table, column in zip(self.tables, self.columns, strict=True)
        ]
        if self.layers is None:
            return torch.stack(of_tables).sum(0)
        bias: Tensor = self.layers(torch.cat(of_tables, -1))
        return bias

    def values(self, column: int) -> Tensor:
        """Bias of each known code of one feature, the others unknown: float32 [codes, W]."""
        number = self.sizes[self.columns.index(column)] - 1
        codes_VC = torch.full((number, 1 + max(self.columns)), UNKNOWN, device=self.device)
        codes_VC[:, column] = torch.arange(1, number + 1, device=self.device)
        bias_VW: Tensor = self(codes_VC)
        return bias_VW

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.parameters()).device

    def hidden(self, code_SL: Tensor) -> Tensor:
        """Codes of which training hides some, so that the weight of UNKNOWN is learned."""
        if not self.training or not self.dropout:
            return code_SL
        return code_SL.masked_fill(torch.rand(code_SL.shape, device=code_SL.device) < self.dropout, UNKNOWN)
