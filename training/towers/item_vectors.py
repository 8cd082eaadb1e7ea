"""The item vectors that both towers share.

Legend: B rows, L history length, T places with a weight, U distinct items of a batch, V item vocabulary, D dimension of
the embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_repo.encode import MISSING, PAD, RESERVED, UNKNOWN, Encoder, Input, InputKind
from training.towers.side_features import Features
from training.towers.unique import distinct

START_STD = 0.3
"""Length of a fresh id or category vector: small beside the MLP, so that content is learned first and ids refine it."""


class ItemVectors(nn.Module):
    """The item vectors that both towers share: v_i = id_i + Σ_f category_f(i).

    So an item in a user's history speaks for itself and for its kind.

    identity: the item id; items beyond its own ones have the vector of UNKNOWN for their id. categories: the item's
    categorical inputs. codes_of: for each of them int32 [V], the code of every item of the id vocabulary, which is how
    a history finds its items' categories.
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
        self.tables = nn.ModuleDict({each.name: _started(nn.Embedding(each.size, dim)) for each in categories})
        for name in self.names:
            self.register_buffer(f"codes_of_{name}", codes_of[name])

    def forward(self, features: Features) -> Tensor:
        """[B, D] of items given by their features. Id dropout trains the row UNKNOWN that unknown items get."""
        codes_B = self._own(features[self.key])
        vectors_BD = self.ids(dropped(codes_B, self.id_dropout if self.training else 0.0))
        for name in self.names:
            vectors_BD = vectors_BD + self.tables[name](features[name])
        return vectors_BD

    def _own(self, items: Tensor) -> Tensor:
        """Codes as rows of the id table."""
        rows = self.ids.num_embeddings
        return items if rows == self.size else torch.where(items < rows, items, UNKNOWN)

    def of(self, items: Tensor) -> Tensor:
        """[..., D] of items given by their id codes, of any shape."""
        vectors = self.ids(self._own(items))
        for name in self.names:
            vectors = vectors + self.tables[name](self.get_buffer(f"codes_of_{name}")[items])
        return vectors

    def pooled(self, items_BL: Tensor, weights_BL: Tensor) -> Tensor:
        """[B, D]: Σ_l weight_l · v_l of items given by their id codes.

        The vectors of the batch's distinct items are built once and then summed by one fused kernel, and places
        without weight, padded or dropped, are not even read; an exported program, whose shapes must not depend on data,
        gathers them row by row. Both give the same.
        """
        if torch.compiler.is_exporting():
            return (weights_BL[:, :, None] * self.of(items_BL.long())).sum(dim=1)
        counts_B = (weights_BL != 0).sum(dim=1)
        (kept_T,) = weights_BL.flatten().nonzero(as_tuple=True)
        items_U, places_T = distinct(items_BL.flatten()[kept_T].long(), self.size)
        vectors_UD = self.of(items_U)
        # In bfloat16 the weights come from matrix products and the vectors from tables, which stay float32.
        weights_T = weights_BL.flatten().index_select(0, kept_T).to(vectors_UD.dtype)
        starts_B = counts_B.cumsum(0) - counts_B
        return F.embedding_bag(places_T, vectors_UD, starts_B, per_sample_weights=weights_T, mode="sum")

    def gathered(self, items_BL: Tensor) -> Tensor:
        """[B, L, D] of items given by their id codes, for models that read them one by one.

        As in `pooled`, the vectors of the batch's distinct items are built once.
        """
        if torch.compiler.is_exporting():
            return self.of(items_BL.long())
        items_U, places_BL = distinct(items_BL.long(), self.size)
        return F.embedding(places_BL, self.of(items_U))


def dropped(codes_B: Tensor, share: float) -> Tensor:
    """Id codes of which a share is replaced by UNKNOWN, which trains that row [DropoutNet, NeurIPS 2017]."""
    if not share:
        return codes_B
    return codes_B.masked_fill(torch.rand(codes_B.shape, device=codes_B.device) < share, UNKNOWN)


class IdTable(nn.Embedding):
    """An embedding that gives codes which follow each other, as those of a whole corpus do, as one block of its rows:
    the gradient of a block is copied, that of single rows is summed row by row."""

    def forward(self, codes: Tensor) -> Tensor:
        # A sparse gradient names its rows, and an exported program, which never trains, must not depend on data.
        if self.training and not self.sparse and codes.dim() == 1 and len(codes) and bool((codes.diff() == 1).all()):
            first = int(codes[0])
            return self.weight[first : first + len(codes)]
        return super().forward(codes)


def id_table(size: int, dim: int) -> nn.Embedding:
    """Vectors of ids, of which a batch moves only a few rows."""
    return _started(IdTable(size, dim, sparse=True))


def _started(table: nn.Embedding) -> nn.Embedding:
    nn.init.normal_(table.weight, std=START_STD * table.embedding_dim**-0.5)
    return table


def codes_of(encoder: Encoder, corpus: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """For each categorical item feature int32 [V]: the code of every item of the id vocabulary, MISSING for no item."""
    found = {}
    for each in encoder.inputs[1:]:
        if each.kind is InputKind.CODE:
            codes_V = np.full(encoder.inputs[0].size, MISSING, np.int32)
            codes_V[corpus[encoder.key]] = corpus[each.name]
            codes_V[:RESERVED] = (PAD, MISSING, UNKNOWN)
            found[each.name] = torch.from_numpy(codes_V)
    return found


def items_of_codes(code_N: Tensor, size: int) -> Tensor:
    """int64 [V]: the item of each id code, -1 for the codes that are no single item's."""
    item_V = torch.full((size,), -1, device=code_N.device)
    (own,) = (code_N >= RESERVED).nonzero(as_tuple=True)
    item_V[code_N[own].long()] = own
    return item_V
