"""Inputs of both towers, and random rows of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from feature_repo.encode import PAD, RESERVED, Input, InputKind
from training.data.training_set import Arrays

ITEMS, LENGTH = RESERVED + 20, 6
USER_INPUTS = [
    Input(name="user_id", kind=InputKind.CODE, size=RESERVED),
    Input(name="history", kind=InputKind.HISTORY, size=ITEMS, width=LENGTH),
    Input(name="price", kind=InputKind.NUMBER, width=2),
]
ITEM_INPUTS = [
    Input(name="item_id", kind=InputKind.CODE, size=ITEMS),
    Input(name="kind", kind=InputKind.CODE, size=RESERVED + 3),
    Input(name="price", kind=InputKind.NUMBER, width=2),
]


def users(rows: int, seed: int = 0) -> Arrays:
    """The first user has an empty history."""
    rng = np.random.default_rng(seed)
    items = rng.integers(RESERVED, ITEMS, (rows, LENGTH))
    items[np.arange(LENGTH) >= np.r_[0, rng.integers(1, LENGTH + 1, rows - 1)][:, None]] = PAD
    facts = {
        f"history_{name}": rng.random((rows, LENGTH), np.float32) * (items != PAD)
        for name in ("ages", "counts", "decayed")
    }
    price = rng.normal(3.0, 2.0, (rows, 2)).astype(np.float32)
    return {"history_items": items.astype(np.int32), **facts, "price": price}


def items(rows: int, seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    codes = {
        "item_id": rng.integers(RESERVED, ITEMS, rows, np.int32),
        "kind": rng.integers(0, RESERVED + 3, rows, np.int32),
    }
    return {**codes, "price": rng.normal(-1.0, 3.0, (rows, 2)).astype(np.float32)}


def tensors(arrays: Arrays) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
