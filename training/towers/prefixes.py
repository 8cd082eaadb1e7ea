"""The prefixes of embeddings.

Legend: B rows, D dimension of the embedding, d of a prefix.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F


def prefixes(embedding_BD: Tensor, dims: Sequence[int]) -> list[Tensor]:
    """normalise(embedding[:, :d]) for each d of dims: float32 [B, d] each [Kusupati et al., NeurIPS 2022].

    Each is an embedding in its own right, so the first coordinates learn from all of them. ValueError if a prefix is
    longer than the embedding.
    """
    width = embedding_BD.shape[1]
    wrong = [dim for dim in dims if not 1 <= dim <= width]
    if wrong:
        raise ValueError(f"an embedding of dimension {width} has prefixes of 1 to {width}, got {wrong}")
    return [F.normalize(embedding_BD[:, :dim], dim=1) for dim in dims]
