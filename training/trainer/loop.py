"""The training loop, with early stopping on a validation window inside the training part."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel

from training.recipes.config import TrainConfig
from training.sampling.mining import mine
from training.towers import TwoTower
from training.trainer.comparison import Comparison
from training.trainer.optimisers import Optimisers, averaged
from training.trainer.step import backpropagate
from training.training_set import TrainingSet

SCORE = "score"
"""The validation metric that decides early stopping."""
Validate = Callable[[TwoTower], dict[str, float]]
"""Measures the towers on the validation window."""
OnEpoch = Callable[[int, dict[str, float]], None]


def train(
    data: TrainingSet,
    model: TwoTower,
    config: TrainConfig,
    *,
    seed: int,
    validate: Validate | None = None,
    epochs: int | None = None,
    on_epoch: OnEpoch = lambda epoch, metrics: None,
) -> list[dict[str, float]]:
    """Train in place until SCORE stops improving for `patience` epochs; the model ends with its best epoch's weights.

    Where the recipe averages, what is measured and kept are averages over the newest steps, not the weights of a last
    step. validate returns metrics with SCORE among them, higher is better; without it, `epochs` are run and the last
    one is kept. Returns the metrics of each epoch. The same data, config and seed give the same weights on the same
    machine. FloatingPointError when the loss stops being finite.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    settings = config.optimisation
    comparison = Comparison(data, config, model, seed)
    last = epochs or settings.epochs
    optimisers = Optimisers(model, settings, steps=last * len(data.batches(settings.batch_size, rng)))
    average = averaged(model, settings.averaged_share) if settings.averaged_share else None
    best_score, best_weights = -math.inf, model.state_dict()
    history: list[dict[str, float]] = []
    waited = 0
    while len(history) < last and waited < settings.patience:
        if config.hard and len(history) % config.hard.epochs == 0 and history:
            comparison.mined_UM = mine(model, data, config.hard)
        loss = _epoch(data, data.batches(settings.batch_size, rng), model, average, optimisers, comparison, config)
        kept = average.module if average else model
        assert isinstance(kept, TwoTower)
        measured = validate(kept.eval()) if validate else {SCORE: float(len(history))}
        metrics = {"loss": loss, "temperature": kept.temperature.item(), **measured}
        history.append(metrics)
        on_epoch(len(history), metrics)
        waited += 1
        if metrics[SCORE] > best_score:
            best_score, best_weights, waited = metrics[SCORE], copy.deepcopy(kept.state_dict()), 0
    model.load_state_dict(best_weights)
    model.eval()
    return history


def _epoch(
    data: TrainingSet,
    batches: Sequence[np.ndarray],
    model: TwoTower,
    average: AveragedModel | None,
    optimisers: Optimisers,
    comparison: Comparison,
    config: TrainConfig,
) -> float:
    """One pass over the batches; the mean loss."""
    from tqdm import tqdm

    model.train()
    total = 0.0
    for rows in tqdm(batches, unit="batch", leave=False, disable=None):
        total += backpropagate(model, data.batch(rows, whole_corpus=config.whole_corpus), comparison, config)
        optimisers.step()
        if average:
            average.update_parameters(model)
    return total / len(batches)
