"""Embeddings of encoded rows, for evaluation and mining."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


@torch.no_grad()
def embed(tower: nn.Module, arrays: dict[str, np.ndarray], rows_at_once: int = 1024) -> np.ndarray:
    """float32 [N, D]: the embeddings of encoded rows. Leaves the tower in evaluation mode."""
    tower.eval()
    device = next((weight.device for weight in tower.parameters()), torch.device("cpu"))
    size = len(next(iter(arrays.values())))
    parts = []
    for start in range(0, size, rows_at_once):
        block = {name: torch.from_numpy(array[start : start + rows_at_once]) for name, array in arrays.items()}
        parts.append(tower({name: each.to(device) for name, each in block.items()}).cpu().numpy())
    return np.concatenate(parts)
