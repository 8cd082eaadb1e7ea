"""Samples of the training benchmark: interactions with other items of the user.

Legend: I interactions, L history length.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Interactions with histories."""

    item_I: np.ndarray
    """Item of each interaction, from 1."""
    history_IL: np.ndarray
    """Other items of the same user, from 1; 0 pads."""
    items: int
    """Number of ids, padding included."""

    def save(self, path: Path) -> None:
        np.savez(path, item_I=self.item_I, history_IL=self.history_IL, items=self.items)

    @classmethod
    def load(cls, path: Path) -> Samples:
        with np.load(path, allow_pickle=False) as stored:
            return cls(item_I=stored["item_I"], history_IL=stored["history_IL"], items=int(stored["items"]))


def from_pairs(path: Path, *, length: int, number: int, seed: int) -> Samples:
    """Samples of a user_id, item_id file.

    Args:
        path: the file.
        length: most items of a history.
        number: number of interactions.
        seed: random seed.
    """
    pairs = pl.read_parquet(path).select("user_id", "item_id").unique().sort("user_id", "item_id")
    user_I = pairs["user_id"].rank("dense").to_numpy().astype(np.int64) - 1
    item_I = pairs["item_id"].rank("dense").to_numpy().astype(np.int64)
    rng = np.random.default_rng(seed)
    starts = np.searchsorted(user_I, np.arange(user_I[-1] + 2))
    chosen = rng.choice(len(user_I), min(number, len(user_I)), replace=False)
    first, count = starts[user_I[chosen]], np.diff(starts)[user_I[chosen]]
    # The target itself is stepped over: place p of the others is place p or p + 1 of
    # all.
    own = chosen - first
    places = np.arange(length)[None, :] + rng.integers(0, 1 << 30, len(chosen))[:, None]
    places = places % np.maximum(count - 1, 1)[:, None]
    places += places >= own[:, None]
    history = np.where(
        np.arange(length) < (count - 1)[:, None], item_I[np.minimum(first[:, None] + places, len(item_I) - 1)], 0
    )
    return Samples(item_I=item_I[chosen].astype(np.int32), history_IL=history.astype(np.int32), items=int(item_I.max()))


def made_up(*, items: int, length: int, number: int, seed: int) -> Samples:
    """Samples by a Zipf law with full histories, for questions of size alone.

    Args:
        items: number of items.
        length: items of a history.
        number: number of interactions.
        seed: random seed.
    """
    rng = np.random.default_rng(seed)

    def draw(size: tuple[int, ...]) -> np.ndarray:
        return np.minimum(items * rng.random(size) ** 3, items - 1).astype(np.int32) + 1

    return Samples(item_I=draw((number,)), history_IL=draw((number, length)), items=items)
