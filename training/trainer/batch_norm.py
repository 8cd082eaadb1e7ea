"""Running statistics for batch normalisation in towers whose weights are averages."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import torch
from torch import nn

from training.data.training_set import Batch
from training.towers import TwoTower

BATCHES = 50
"""Enough for means and variances: tens of thousands of rows."""


@torch.no_grad()
def recalibrate(model: TwoTower, batches: Iterable[Batch]) -> None:
    """Measure the running statistics of a model's batch normalisation anew, on the first batches of an epoch.

    The mean of many weights has activations that no step had, so neither the newest statistics nor a mean of the
    steps' statistics are those of its layers [Izmailov et al., UAI 2018, section 3.2]. Dropout is off, as it will be
    when they are used [Li et al., CVPR 2019]. Without batch normalisation nothing happens. The model ends in evaluation
    mode.
    """
    model.eval()
    momenta = {each: each.momentum for each in model.modules() if isinstance(each, nn.BatchNorm1d)}
    if not momenta:
        return
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
