"""Model of the plain systems: a vector for every user and item.

Adam trains it, with a rate that falls by half a cosine.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.benchmarks.time_to_quality.task import Clock, Task


class Tables(nn.Module):
    """Embeddings of length 1 of users and of items."""

    def __init__(self, users: int, items: int, dim: int) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(users, dim), nn.Embedding(items, dim)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=0.3 * dim**-0.5)

    def user(self, rows: Tensor) -> Tensor:
        return F.normalize(self.users(rows), dim=1)

    def item(self, rows: Tensor) -> Tensor:
        return F.normalize(self.items(rows), dim=1)


def train(task: Task, clock: Clock, loss: Callable[[Tables, np.ndarray], Tensor], *, rows: int, steps: int) -> None:
    """Train tables by a loss, in batches drawn for each epoch.

    Args:
        task: the task.
        clock: the clock.
        loss: loss of a batch.
        rows: number of interactions or users to draw from.
        steps: batches of an epoch.
    """
    settings = task.settings
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(settings["seed"])
    rng = np.random.default_rng(settings["seed"])
    tables = Tables(task.users, task.items, settings["dim"])
    optimiser = torch.optim.Adam(tables.parameters(), lr=settings["rate"], fused=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings["epochs"] * steps)
    clock.start()
    for _ in range(settings["epochs"]):
        for batch in np.array_split(rng.permutation(rows), steps):
            optimiser.zero_grad()
            loss(tables, batch).backward()
            optimiser.step()
            schedule.step()
        clock.stop()
        vectors = (F.normalize(table.weight.detach(), dim=1).numpy() for table in (tables.users, tables.items))
        clock.measure(*vectors)
