"""How often an item is among the columns of a batch: counted, or estimated while training.

Legend: N items of the corpus, C items asked about.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from training.recipes.sampling import Streaming


class Frequency(Protocol):
    """Log-probability that an item is among the distinct items of so many interactions."""

    def log_inclusion(self, item_C: Tensor, interactions: int) -> Tensor: ...


class Counted:
    """q from the training part: log(1 − (1 − q)^B), for small B·q it is log(B·q). The form for deduplicated columns.

    share_N: float32 [N], q, each item's share of the interactions; an item without any is in no batch: −inf.
    [Yi et al., RecSys 2019, section 3.1]
    """

    def __init__(self, share_N: Tensor) -> None:
        self.share_N = share_N

    def log_inclusion(self, item_C: Tensor, interactions: int) -> Tensor:
        return torch.log(-torch.expm1(interactions * torch.log1p(-self.share_N[item_C])))


class Streamed:
    """Estimates from the gaps between an item's batches: with A[h] the step of hash h's last batch and B[h] its gap,
        B[h] ← (1 − α)·B[h] + α·(t − A[h]),  A[h] ← t,  p̂ = 1 / max_m B_m[h_m]
    over several tables m: a collision only shortens gaps, so the longest is nearest to the truth. It estimates the
    probability of being in a batch, which is what distinct columns need. Items never seen have B = `start` steps.
    The first 1 / α gaps count alike: with α from the start, an item of the first batch would have p̂ near 1 for its
    next hundred batches. [Yi et al., RecSys 2019, algorithms 2 and 3]
    """

    def __init__(self, config: Streaming, *, start: float = 1e4, device: torch.device | None = None) -> None:
        self.rate, self.size, self.step = config.rate, config.size, 0
        generator = torch.Generator().manual_seed(0)
        self.factor_M = torch.randint(1, 1 << 31, (config.tables,), generator=generator) | 1
        self.last_MS = torch.zeros(config.tables, config.size, device=device)
        self.gap_MS = torch.full((config.tables, config.size), start, device=device)

    def update(self, item_C: Tensor) -> None:
        """The next batch held these items; one that stands there twice counts once."""
        self.step += 1
        for table, places in enumerate(self._places(item_C)):
            distinct = torch.unique(places)  # two items of one place come as one too
            last, mean = self.last_MS[table, distinct], self.gap_MS[table, distinct]
            # last / mean gaps have been seen, none at first: B is their mean, t over their number, until α is larger.
            rate = (mean / (last + mean)).clamp_min(self.rate)
            self.gap_MS[table, distinct] += rate * (self.step - last - mean)
            self.last_MS[table, distinct] = float(self.step)

    def log_inclusion(self, item_C: Tensor, interactions: int) -> Tensor:
        gaps_MC = torch.stack([self.gap_MS[table, places] for table, places in enumerate(self._places(item_C))])
        return -gaps_MC.amax(dim=0).clamp_min(1.0).log()

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {"last": self.last_MS, "gap": self.gap_MS, "step": torch.tensor(self.step)}

    def load(self, state: dict[str, Tensor]) -> None:
        self.last_MS, self.gap_MS, self.step = state["last"].clone(), state["gap"].clone(), int(state["step"])

    def _places(self, item_C: Tensor) -> list[Tensor]:
        """Multiply-shift hashing into each table [Dietzfelbinger et al., 1997]."""
        return [((item_C * factor + 0x9E3779B9) >> 7) % self.size for factor in self.factor_M.tolist()]
