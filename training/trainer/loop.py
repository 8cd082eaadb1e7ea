"""The training loop, with early stopping on a validation window inside the training part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from training.data.training_set import TrainingSet
from training.recipes.config import TrainConfig
from training.towers import TwoTower
from training.trainer.checkpoint import load_checkpoint, save_checkpoint
from training.trainer.device import available
from training.trainer.state import SCORE, TrainState

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
    run = TrainState(data, model, config, seed=seed, epochs=epochs or config.optimisation.epochs)
    if checkpoint is not None and checkpoint.exists():
        load_checkpoint(checkpoint, run)
        for epoch, metrics in enumerate(run.history, 1):
            on_epoch(epoch, metrics)
    while len(run.history) < run.epochs and run.waited < config.optimisation.patience:
        loss = run.epoch()
        measured = validate(run.kept.eval()) if validate else {SCORE: float(len(run.history))}
        run.note({"loss": loss, "temperature": run.kept.score.temperature.item(), **measured})
        if checkpoint is not None:
            save_checkpoint(checkpoint, run)
        on_epoch(len(run.history), run.history[-1])
    model.load_state_dict(run.best_weights)
    model.eval().cpu()
    return run.history
