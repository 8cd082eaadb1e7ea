"""Plain PyTorch at its best: the same loss as one matrix of logits.

The bilateral softmax over the whole corpus, of the users of a batch and all items, with
autograd.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from tests.benchmarks.time_to_quality.tables import Tables, train
from tests.benchmarks.time_to_quality.task import own_task


def main() -> None:
    task, clock = own_task()
    order = np.argsort(task.user_I, kind="stable")
    item_I = torch.from_numpy(task.item_I[order])
    starts = np.searchsorted(task.user_I[order], np.arange(task.users + 1))
    takers = np.flatnonzero(np.diff(starts))
    temperature, exponent = task.settings["temperature"], task.settings["exponent"]
    precision, everything = getattr(torch, task.settings["precision"]), torch.arange(task.items)

    def loss(tables: Tables, batch: np.ndarray) -> Tensor:
        """Mean over the interactions P of the users: exponent · log mean_n e^{s_n} − s_p, with s = <u, v> / τ."""
        first_R, number_R = starts[takers[batch]], np.diff(starts)[takers[batch]]
        row_P = np.repeat(np.arange(len(batch)), number_R)
        ahead_R = np.cumsum(number_R) - number_R
        place_P = np.arange(len(row_P)) + np.repeat(first_R - ahead_R, number_R)
        user_RD = tables.user(torch.from_numpy(takers[batch])) / temperature
        item_ND = tables.item(everything)
        logits_RN = (user_RD.to(precision) @ item_ND.to(precision).T).float()
        row_P = torch.from_numpy(row_P)
        mean_R = logits_RN.logsumexp(dim=1) - math.log(task.items)
        return (exponent * mean_R[row_P] - logits_RN[row_P, item_I[place_P]]).mean()

    train(task, clock, loss, rows=len(takers), steps=task.settings["steps"])


if __name__ == "__main__":
    main()
