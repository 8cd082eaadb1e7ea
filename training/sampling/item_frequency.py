"""Probability of an item to be among a batch's columns: counted, or estimated.

Legend: N items of the corpus, C items asked about, M hash tables, S buckets of one.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from training.recipes.sampling import Streaming


class Frequency(Protocol):
    """Log-probability that an item is among the distinct items of some interactions."""

    def log_inclusion(self, item_C: Tensor, interactions: int) -> Tensor:
        """Log-probability of each item: float32 [C]."""


class Counted:
    """Item frequencies q counted in the training part.

        log(1 − (1 − q)^B), for small B·q about log(B·q)

    This is the form for deduplicated columns. [Yi et al., RecSys 2019, section 3.1]
    """

    def __init__(self, share_N: Tensor) -> None:
        self.share_N = share_N

    def log_inclusion(self, item_C: Tensor, interactions: int) -> Tensor:
        """Log-probability of each item among B interactions: float32 [C]."""
        # Written as 1 − (1 − q)^B, a rare item's probability rounds to 0 in float32,
        # and its logarithm to -inf.
        return torch.log(-torch.expm1(interactions * torch.log1p(-self.share_N[item_C])))


class Streamed:
    """Item frequencies estimated from the gaps between an item's batches.

        B[h] ← (1 − α)·B[h] + α·(t − A[h]),  A[h] ← t,  p̂ = 1 / max_m B_m[h_m]

    A[h] is the step of hash h's last batch, B[h] its mean gap, m one of several tables:
    a collision only shortens gaps, so the longest is nearest to the truth. p̂ is the
    probability of being in a batch, which distinct columns need. [Yi et al., RecSys
    2019, algorithms 2 and 3]

    Args:
        config: α, and the number and size of the tables.
        start: B of items never seen, in steps.
        device: device of the tables.
    """

    def __init__(self, config: Streaming, *, start: float = 1e4, device: torch.device | None = None) -> None:
        self.rate, self.size, self.step = config.rate, config.size, 0
        # One seed for all runs: checkpoints hold the tables and not the hashes.
        # Multiply-shift hashing wants odd factors.
        generator = torch.Generator().manual_seed(0)
        self.factor_M = torch.randint(1, 1 << 31, (config.tables,), generator=generator) | 1
        self.last_MS = torch.zeros(config.tables, config.size, device=device)
        self.gap_MS = torch.full((config.tables, config.size), start, device=device)

    def update(self, item_C: Tensor) -> None:
        """Record a batch that held these items; an item that comes twice counts once."""
        self.step += 1
        for table, buckets in enumerate(self._buckets(item_C)):
            distinct = torch.unique(buckets)  # two items of one bucket count once too
            last, mean = self.last_MS[table, distinct], self.gap_MS[table, distinct]
            # last / mean gaps have been seen, none at first: B is their mean, t over
            # their number, until α is larger. With α from the start an item of the
            # first batch would have p̂ near 1 for its next hundred batches.
            rate = (mean / (last + mean)).clamp_min(self.rate)
            self.gap_MS[table, distinct] += rate * (self.step - last - mean)
            self.last_MS[table, distinct] = float(self.step)

    def log_inclusion(self, item_C: Tensor, interactions: int) -> Tensor:
        """Log-probability of each item in a batch: float32 [C]."""
        gaps_MC = torch.stack([self.gap_MS[table, buckets] for table, buckets in enumerate(self._buckets(item_C))])
        return -gaps_MC.amax(dim=0).clamp_min(1.0).log()

    def state(self) -> dict[str, Tensor]:
        """Tensors for a checkpoint."""
        return {"last": self.last_MS, "gap": self.gap_MS, "step": torch.tensor(self.step)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Restore the tensors of `state`."""
        self.last_MS, self.gap_MS, self.step = state["last"].clone(), state["gap"].clone(), int(state["step"])

    def _buckets(self, item_C: Tensor) -> list[Tensor]:
        """Bucket of each item in each table by multiply-shift hashing.

        [Dietzfelbinger et al., 1997]
        """
        return [((item_C * factor + 0x9E3779B9) >> 7) % self.size for factor in self.factor_M.tolist()]
