"""Item prior: a term of the score that depends on the item and the moment alone.

Legend: B rows, V item vocabulary, F facts.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_repo.encode import RESERVED, UNKNOWN

HALF_LIVES = (1.0, 7.0, 28.0, 365.0)
"""Days after which an interaction counts half, of each decayed count among the facts."""
FACTS = len(HALF_LIVES) + 2
"""Logs of the decayed counts, log age, and whether nothing is known of the item."""


class ItemPrior(nn.Module):
    """Term p(i, t) = w · b_i(t) of every item, carried as a further coordinate.

        <[u, 1], [v_i, p(i, t)]> = <u, v_i> + p(i, t)

    So the index stays one of inner products. The coordinate is appended after the
    normalisation, which would shrink it. The terms are those of one moment; `refresh`
    computes them for another one, with the same weights.

    Args:
        size: V.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("weight_F", torch.zeros(FACTS))
        self.register_buffer("term_V1", torch.zeros(size, 1))

    def forward(self, codes_B: Tensor) -> Tensor:
        """Terms of items, on the scale of the index: float32 [B, 1]."""
        return F.embedding(codes_B, self.get_buffer("term_V1"))

    def refresh(self, codes_N: np.ndarray, facts_NF: np.ndarray, nothing_F: np.ndarray) -> None:
        """Compute the terms of a moment.

        Args:
            codes_N: codes of the corpus.
            facts_NF: its `item_facts` at the moment.
            nothing_F: facts of an item of which nothing is known, for all other codes.
        """
        weight_F, term_V1 = self.get_buffer("weight_F").double().numpy(), self.get_buffer("term_V1")
        term_V1.fill_(float(nothing_F @ weight_F))
        known_N = codes_N >= RESERVED
        term_V1[torch.from_numpy(codes_N[known_N].astype(np.int64)), 0] = torch.from_numpy(
            (facts_NF[known_N] @ weight_F).astype(np.float32)
        )
        if (codes_N == UNKNOWN).any():
            # They share one code, and so the mean of what is known of them.
            term_V1[UNKNOWN] = float((facts_NF[codes_N == UNKNOWN] @ weight_F).mean())


class One(nn.Module):
    """Coordinate of users beside that of the item prior."""

    def forward(self, codes_B: Tensor) -> Tensor:
        """Ones: float32 [B, 1]."""
        return torch.ones_like(codes_B, dtype=torch.float32)[:, None]
