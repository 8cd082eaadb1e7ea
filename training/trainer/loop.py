"""The training loop, with early stopping on a validation window inside the training part."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from training.recipes.config import TrainConfig
from training.recipes.sampling import HardNegatives
from training.sampling.mining import mine
from training.towers import TwoTower
from training.trainer.batch_statistics import settle
from training.trainer.checkpoint import load_checkpoint, save_checkpoint
from training.trainer.comparison import Comparison
from training.trainer.device import available
from training.trainer.optimisers import Optimisers, averaged
from training.trainer.self_supervised import SelfSupervision
from training.trainer.step import backpropagate
from training.training_set import Batch, TrainingSet

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
    checkpoint: Path | None = None,
    device: str = "cpu",
) -> list[dict[str, float]]:
    """Train in place until SCORE stops improving for `patience` epochs; the model ends with its best epoch's weights.

    Where the recipe averages, what is measured and kept are averages over the newest steps, not the weights of a last
    step. validate returns metrics with SCORE among them, higher is better; without it, `epochs` are run and the last
    one is kept. Returns the metrics of each epoch. The same data, config and seed give the same weights on the same
    machine. checkpoint: a file that is written after every epoch; where it is there, training goes on from it and ends
    as if it had never stopped; on_epoch hears of the epochs before it again. device: where the steps run; the model
    ends on the CPU. ValueError for a device that is not there. FloatingPointError when the loss stops being finite.
    """
    model.to(available(device))
    run = Run(data, model, config, seed=seed, epochs=epochs or config.optimisation.epochs)
    if checkpoint is not None and checkpoint.exists():
        load_checkpoint(checkpoint, run)
        for epoch, metrics in enumerate(run.history, 1):
            on_epoch(epoch, metrics)
    while len(run.history) < run.epochs and run.waited < config.optimisation.patience:
        loss = run.epoch()
        measured = validate(run.kept.eval()) if validate else {SCORE: float(len(run.history))}
        run.note({"loss": loss, "temperature": run.kept.temperature.item(), **measured})
        if checkpoint is not None:
            save_checkpoint(checkpoint, run)
        on_epoch(len(run.history), run.history[-1])
    model.load_state_dict(run.best_weights)
    model.eval().cpu()
    return run.history


class Run:
    """Everything that moves while training: what a checkpoint holds."""

    def __init__(self, data: TrainingSet, model: TwoTower, config: TrainConfig, *, seed: int, epochs: int) -> None:
        torch.manual_seed(seed)
        self.data, self.model, self.config, self.seed, self.epochs = data, model, config, seed, epochs
        self.rng = np.random.default_rng(seed)
        self.comparison = Comparison(data, config, model, seed)
        views = config.self_supervised
        self.views = SelfSupervision(data, views, model, seed) if views else None
        settings = config.optimisation
        steps = epochs * len(data.batches(settings.batch_size, self.rng))
        self.optimisers = Optimisers(model, config, steps)
        self.average = averaged(model, settings.averaged_share) if settings.averaged_share else None
        self.history: list[dict[str, float]] = []
        self.waited = 0
        self.best_score, self.best_weights = -math.inf, model.state_dict()

    @property
    def kept(self) -> TwoTower:
        """The weights that are measured: the average where there is one."""
        kept = self.average.module if self.average else self.model
        assert isinstance(kept, TwoTower)
        return kept

    def epoch(self) -> float:
        """One pass over the data; the mean loss of its steps."""
        from tqdm import tqdm

        hard = self.config.hard
        if isinstance(hard, HardNegatives) and self.history and len(self.history) % hard.epochs == 0:
            self.comparison.mined_UM = mine(self.model, self.data, hard)
        self.model.train()
        batches = self.data.batches(self.config.optimisation.batch_size, self.rng)
        total = 0.0
        for rows in tqdm(batches, unit="batch", leave=False, disable=None):
            total += backpropagate(self.model, self._batch(rows), self.comparison, self.config, self.views)
            self.optimisers.step()
            if self.average:
                self.average.update_parameters(self.model)
        settle(self.kept, (self._batch(rows) for rows in batches))
        return total / len(batches)

    def _batch(self, rows: np.ndarray) -> Batch:
        return self.data.batch(rows, whole_corpus=self.config.whole_corpus).to(self.model.device)

    def note(self, metrics: dict[str, float]) -> None:
        """Keep an epoch's metrics, and its weights if they are the best."""
        self.history.append(metrics)
        self.waited += 1
        if metrics[SCORE] > self.best_score:
            self.best_score, self.waited = metrics[SCORE], 0
            self.best_weights = copy.deepcopy(self.kept.state_dict())
