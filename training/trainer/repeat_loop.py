"""Training of the repeat head, after the towers.

Its gradients never reach the towers, whose embeddings are constants. So training it
last loses nothing, and every item is embedded once instead of once for each batch in
whose histories it is.
"""

from __future__ import annotations

from itertools import islice

import numpy as np
import torch

from training.data.training_set import TrainingSet
from training.losses.repeat_softmax import repeat_softmax
from training.recipes.config import TrainConfig
from training.towers import TwoTower
from training.trainer.device import available
from training.trainer.history_candidates import HistoryCandidates
from training.trainer.optimisers import Optimisers, averaged
from training.trainer.step import finite


def fit_repeat_head(
    data: TrainingSet, model: TwoTower, config: TrainConfig, *, seed: int, device: str = "cpu"
) -> float:
    """Train the repeat head in place, beside towers that stay unchanged.

    If the recipe averages weights, the head ends with the mean of its newest ones. The
    same towers, data, config and seed give the same head. Without a repeat head nothing
    happens.

    Args:
        data: the training set of the towers.
        model: trained towers; ends on the CPU and in evaluation mode.
        config: their recipe.
        seed: random seed of the order, the samples and dropout.
        device: torch device of the steps.

    Returns:
        The mean loss of the steps; 0 without any.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    head, settings = model.repeat, config.repeat
    if head is None or settings is None:
        return 0.0
    torch.manual_seed(seed)
    model.to(available(device)).eval()
    candidates = HistoryCandidates(data, model, config, seed)
    steps = max(1, min(settings.steps, settings.passes * len(np.unique(data.query_I)) // settings.batch_size))
    optimisers = Optimisers.of_repeat_head(head, config, steps)
    share = config.optimisation.averaged_share
    average = averaged(head, share) if share else None
    # The head alone has dropout: scores must be those that the towers serve.
    head.train()
    total = 0.0
    for repeats in islice(candidates.steps(head, np.random.default_rng(seed)), steps):
        loss = finite(repeat_softmax(repeats))
        loss.backward()
        optimisers.step()
        if average:
            average.update_parameters(head)
        total += loss.item()
    if average:
        head.load_state_dict(average.module.state_dict())
    model.eval().cpu()
    return total / steps
