"""Cross-batch memory: item embeddings of earlier batches as further negatives.

[Wang et al., CVPR 2020]

Legend: C columns of a batch, M remembered items, D dimension.
"""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor


class Memory:
    """Item embeddings of the newest batches, by slightly older towers, no gradient."""

    def __init__(self, batches: int) -> None:
        self.batches: deque[tuple[Tensor, Tensor]] = deque(maxlen=batches)

    def __len__(self) -> int:
        """Number of remembered batches."""
        return len(self.batches)

    def others(self, item_C: Tensor) -> tuple[Tensor, Tensor]:
        """Remembered items beside the given ones, each once, and their newest embeddings."""
        # The newest batch first: of an item that was in several, the first copy is
        # kept.
        item_M = torch.cat([items for items, _ in reversed(self.batches)])
        vector_MD = torch.cat([vectors for _, vectors in reversed(self.batches)])
        distinct, inverse_M = torch.unique(item_M, return_inverse=True)
        nowhere = torch.full_like(distinct, len(item_M))
        first = nowhere.scatter_reduce(0, inverse_M, torch.arange(len(item_M), device=item_M.device), reduce="amin")
        # An item of this batch has a fresh embedding, and one column is enough.
        first = first[~torch.isin(distinct, item_C)]
        return item_M[first], vector_MD[first]

    def add(self, item_C: Tensor, vector_CD: Tensor) -> None:
        """Remember a batch and forget the oldest."""
        self.batches.append((item_C, vector_CD))

    def state(self) -> dict[str, Tensor]:
        """Tensors for a checkpoint."""
        named: dict[str, Tensor] = {}
        for n, (items, vectors) in enumerate(self.batches):
            named |= {f"items.{n}": items, f"vectors.{n}": vectors}
        return named

    def load(self, state: dict[str, Tensor]) -> None:
        """Restore the tensors of `state`."""
        self.batches.clear()
        for n in range(len(state) // 2):
            self.add(state[f"items.{n}"], state[f"vectors.{n}"])
