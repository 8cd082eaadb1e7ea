"""Plain PyTorch as tutorials write it: in-batch softmax with logQ."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.benchmarks.time_to_quality.tables import Tables, train
from tests.benchmarks.time_to_quality.task import own_task


def main() -> None:
    task, clock = own_task()
    user_I, item_I = torch.from_numpy(task.user_I), torch.from_numpy(task.item_I)
    log_q_N, temperature = torch.from_numpy(np.log(task.share_N)), task.settings["temperature"]

    def loss(tables: Tables, batch: np.ndarray) -> Tensor:
        user_B, item_B = user_I[batch], item_I[batch]
        logits_BB = tables.user(user_B) @ tables.item(item_B).T / temperature - log_q_N[item_B]
        hits_BB = (item_B[:, None] == item_B[None, :]) & ~torch.eye(len(batch), dtype=torch.bool)
        return F.cross_entropy(logits_BB.masked_fill(hits_BB, -torch.inf), torch.arange(len(batch)))

    train(task, clock, loss, rows=len(user_I), steps=max(1, len(user_I) // task.settings["batch"]))


if __name__ == "__main__":
    main()
