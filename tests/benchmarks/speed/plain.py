"""Plain PyTorch as tutorials write it: one matrix of logits, cross-entropy, Adam."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.speed.ours import TEMPERATURE
from tests.benchmarks.speed.world import Samples


class PlainTwoTower(nn.Module):
    """Model of all systems: one item table, the mean of a history against it."""

    def __init__(self, items: int, dim: int) -> None:
        super().__init__()
        self.items = nn.Embedding(items + 1, dim, padding_idx=0)
        nn.init.normal_(self.items.weight, std=0.3 * dim**-0.5)

    def forward(self, history_BL: Tensor, item_B: Tensor) -> tuple[Tensor, Tensor]:
        there_BL1 = (history_BL > 0).float().unsqueeze(-1)
        mean_BD = (self.items(history_BL) * there_BL1).sum(dim=1) / there_BL1.sum(dim=1).clamp_min(1)
        return F.normalize(mean_BD, dim=1), F.normalize(self.items(item_B), dim=1)


class Plain:
    """Trainer whose `step(n)` trains on the n-th batch."""

    def __init__(self, samples: Samples, *, dim: int, batch_size: int, device: str = "cpu") -> None:
        torch.manual_seed(0)
        self.device = device
        self.samples, self.batch_size = samples, batch_size
        self.model = PlainTwoTower(samples.items, dim).to(device)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=2.5e-3)
        counts = np.bincount(samples.item_I, minlength=samples.items + 1)
        self.log_q = torch.from_numpy(np.log(np.maximum(counts, 1) / len(samples.item_I)).astype(np.float32)).to(device)
        self.order = np.random.default_rng(0).permutation(len(samples.item_I))

    def step(self, number: int) -> int:
        batches = len(self.order) // self.batch_size
        start = number % batches * self.batch_size
        rows = self.order[start : start + self.batch_size]
        history_BL = torch.from_numpy(self.samples.history_IL[rows]).long().to(self.device)
        item_B = torch.from_numpy(self.samples.item_I[rows]).long().to(self.device)
        user_BD, item_BD = self.model(history_BL, item_B)
        logits_BB = user_BD @ item_BD.T / TEMPERATURE - self.log_q[item_B]
        hits_BB = (item_B[:, None] == item_B[None, :]) & ~torch.eye(len(rows), dtype=torch.bool, device=self.device)
        loss = F.cross_entropy(logits_BB.masked_fill(hits_BB, -torch.inf), torch.arange(len(rows), device=self.device))
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return len(rows)
