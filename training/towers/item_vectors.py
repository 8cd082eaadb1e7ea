"""Item vectors that both towers share.

Legend: B rows, L history length, T history positions with a weight, U distinct items of
a batch, V item vocabulary, D dimension of the embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_repo.encode import MISSING, PAD, RESERVED, UNKNOWN, Encoder, Input, InputKind
from training.towers.side_features import Features
from training.towers.unique import distinct

START_STD = 0.3
"""Length of a fresh id or category vector: small beside the MLP, so that content is
learned first and ids refine it."""


class ItemVectors(nn.Module):
    """Item vectors of both towers: v_i = id_i + Σ_f category_f(i).

    An item in a user's history thus counts both as itself and as one of its kind.

    Args:
        identity: the item id; items beyond its own ones have the id vector of UNKNOWN.
        categories: categorical inputs of the item.
        codes_of: int32 [V] for each of them, the code of every item of the id
            vocabulary, by which a history finds its items' categories.
        dim: D.
        id_dropout: share of the training rows whose id is replaced by UNKNOWN.
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
        self.size = identity.size
        self.ids = id_table(identity.own or identity.size, dim)
        # By position, because a feature may be named as an attribute of a module is.
        self.tables = nn.ModuleList(_started(nn.Embedding(each.size, dim)) for each in categories)
        for name in self.names:
            self.register_buffer(f"codes_of_{name}", codes_of[name])

    def forward(self, features: Features) -> Tensor:
        """Vectors of items given by their features: [B, D].

        Id dropout trains the row UNKNOWN, which unknown items get.
        """
        codes_B = self._own(features[self.key])
        vectors_BD: Tensor = self.ids(dropped(codes_B, self.id_dropout if self.training else 0.0))
        return self._with_categories(vectors_BD, [features[name] for name in self.names])

    def _with_categories(self, vectors_BD: Tensor, codes: Sequence[Tensor]) -> Tensor:
        """Vectors plus those of their categories, given by a code of each category."""
        if torch.compiler.is_exporting() or not codes:
            for table, code_B in zip(self.tables, codes, strict=True):
                vectors_BD = vectors_BD + table(code_B)
            return vectors_BD
        # All tables behind each other are one table, from which one kernel sums: a lookup and a
        # sum for each category would read and write [B, D] twice as often as there are any. A
        # request, of one row, would pay for putting the tables behind each other.
        tables: list[Tensor] = [table.get_parameter("weight") for table in self.tables]
        firsts = accumulate((len(table) for table in tables[:-1]), initial=0)
        codes_BF = torch.stack([code_B + first for code_B, first in zip(codes, firsts, strict=True)], dim=1)
        summed: Tensor = SumOfRows.apply(torch.cat(tables), codes_BF)
        return vectors_BD + summed

    def _own(self, items: Tensor) -> Tensor:
        """Codes as rows of the id table."""
        rows = self.ids.num_embeddings
        return items if rows == self.size else torch.where(items < rows, items, UNKNOWN)

    def of(self, items: Tensor) -> Tensor:
        """Vectors of items given by their id codes, of any shape: [..., D]."""
        items_B = items.flatten()
        codes = [self.get_buffer(f"codes_of_{name}").index_select(0, items_B) for name in self.names]
        return self._with_categories(self.ids(self._own(items_B)), codes).unflatten(0, items.shape)

    def pooled(self, items_BL: Tensor, weights_BL: Tensor) -> Tensor:
        """Weighted sums Σ_l weight_l · v_l of items given by their id codes: [B, D]."""
        # The vectors of the batch's distinct items are built once and summed by one fused
        # kernel; positions without weight, padded or dropped, are not read. An exported program,
        # whose shapes must not depend on data, gathers row by row. Both give the same.
        if torch.compiler.is_exporting():
            return (weights_BL[:, :, None] * self.of(items_BL.long())).sum(dim=1)
        counts_B = (weights_BL != 0).sum(dim=1)
        (kept_T,) = weights_BL.flatten().nonzero(as_tuple=True)
        items_U, position_T = distinct(items_BL.flatten()[kept_T].long(), self.size)
        vectors_UD = self.of(items_U)
        # In bfloat16 the weights come from matrix products and the vectors from tables, which stay float32.
        weights_T = weights_BL.flatten().index_select(0, kept_T).to(vectors_UD.dtype)
        starts_B = counts_B.cumsum(0) - counts_B
        return F.embedding_bag(position_T, vectors_UD, starts_B, per_sample_weights=weights_T, mode="sum")

    def gathered(self, items_BL: Tensor) -> Tensor:
        """Vectors of items given by their id codes, one by one: [B, L, D]."""
        # As in `pooled`.
        if torch.compiler.is_exporting():
            return self.of(items_BL.long())
        items_U, position_BL = distinct(items_BL.long(), self.size)
        return F.embedding(position_BL, self.of(items_U))


class SumOfRows(torch.autograd.Function):
    """Sum of some rows of a table for each row of codes: Σ_f table[code_f].

    The same as an embedding bag, whose gradient sorts all codes first; here each column of
    codes adds its gradients row by row, in a third of the time.
    """

    @staticmethod
    def forward(ctx, table_SD, codes_BF):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(codes_BF)
        ctx.rows = len(table_SD)
        return F.embedding_bag(codes_BF, table_SD, mode="sum")

    @staticmethod
    def backward(ctx, grad_BD):  # type: ignore[no-untyped-def]
        (codes_BF,) = ctx.saved_tensors
        grad_SD = grad_BD.new_zeros(ctx.rows, grad_BD.shape[1])
        for codes_B in codes_BF.unbind(dim=1):
            grad_SD.index_add_(0, codes_B, grad_BD)
        return grad_SD, None


def dropped(codes_B: Tensor, share: float) -> Tensor:
    """Id codes with a share replaced by UNKNOWN, which trains that row.

    [DropoutNet: Volkovs, Yu and Poutanen, NeurIPS 2017]
    """
    if not share:
        return codes_B
    return codes_B.masked_fill(torch.rand(codes_B.shape, device=codes_B.device) < share, UNKNOWN)


class IdTable(nn.Embedding):
    """Embedding that reads consecutive codes, as of a whole corpus, as one block.

    The gradient of a block is copied; that of single rows is summed row by row.
    """

    def forward(self, codes: Tensor) -> Tensor:
        """Rows of the table: float32 [..., D]."""
        # A sparse gradient names its rows, and an exported program, which never trains, must not depend on data.
        if self.training and not self.sparse and codes.dim() == 1 and len(codes) and bool((codes.diff() == 1).all()):
            first = int(codes[0])
            return self.weight[first : first + len(codes)]
        return super().forward(codes)


def id_table(size: int, dim: int) -> nn.Embedding:
    """Table of id vectors, of which a batch moves only a few rows."""
    return _started(IdTable(size, dim, sparse=True))


def _started(table: nn.Embedding) -> nn.Embedding:
    nn.init.normal_(table.weight, std=START_STD * table.embedding_dim**-0.5)
    return table


def codes_of(encoder: Encoder, corpus: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Category code of every item of the id vocabulary: int32 [V] for each feature.

    Codes without an item have MISSING.
    """
    found = {}
    for each in encoder.inputs[1:]:
        if each.kind is InputKind.CODE:
            codes_V = np.full(encoder.inputs[0].size, MISSING, np.int32)
            codes_V[corpus[encoder.key]] = corpus[each.name]
            # After the items: one without a code of its own has written its
            # category to UNKNOWN.
            codes_V[:RESERVED] = (PAD, MISSING, UNKNOWN)
            found[each.name] = torch.from_numpy(codes_V)
    return found


def items_of_codes(code_N: Tensor, size: int) -> Tensor:
    """Item of each id code: int64 [V], -1 for codes that stand for no single item."""
    item_V = torch.full((size,), -1, device=code_N.device)
    (own,) = (code_N >= RESERVED).nonzero(as_tuple=True)
    item_V[code_N[own].long()] = own
    return item_V
