"""Embeddings of encoded rows, for evaluation and mining."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


@torch.no_grad()
def embed(tower: nn.Module, arrays: dict[str, np.ndarray], rows_per_block: int = 1024) -> np.ndarray:
    """Embeddings of encoded rows: float32 [N, D].

    The tower is left in evaluation mode.

    Args:
        tower: user or item tower, on any device.
        arrays: the tower's encoded features, N rows each.
        rows_per_block: rows that pass the tower at a time.

    Returns:
        The embeddings, in the order of the rows.
    """
    tower.eval()
    device = next((weight.device for weight in tower.parameters()), torch.device("cpu"))
    size = len(next(iter(arrays.values())))
    parts = []
    for start in range(0, size, rows_per_block):
        block = {name: torch.from_numpy(array[start : start + rows_per_block]) for name, array in arrays.items()}
        parts.append(tower({name: each.to(device) for name, each in block.items()}).cpu().numpy())
    return np.concatenate(parts)
