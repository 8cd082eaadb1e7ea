"""Running statistics of batch normalisation for averaged weights."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import torch
from torch import nn

from training.data.training_set import Batch
from training.towers import TwoTower

BATCHES = 50
"""Batches that are read. Tens of thousands of rows are enough for means and variances."""


@torch.no_grad()
def recalibrate(model: TwoTower, batches: Iterable[Batch]) -> None:
    """Recompute the running statistics of batch normalisation.

    Without batch normalisation nothing happens. The model ends in evaluation mode.

    Args:
        model: towers whose weights are averages.
        batches: batches of an epoch, of which the first BATCHES are read.
    """
    # Dropout is off, as when the statistics are used [Li et al., CVPR 2019].
    model.eval()
    momenta = {each: each.momentum for each in model.modules() if isinstance(each, nn.BatchNorm1d)}
    if not momenta:
        return
    # Averaged weights have activations that no step had: neither the newest statistics
    # nor a mean of the steps' statistics fit them [Izmailov et al., UAI 2018, section
    # 3.2].
    for norm in momenta:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
        norm.train()
    for batch in islice(batches, BATCHES):
        model.user(batch.users)
        model.item(batch.items)
    for norm, momentum in momenta.items():
        norm.momentum = momentum
    model.eval()
