"""Training loop with early stopping on a window inside the training part."""

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
"""Measures the towers on the validation window; SCORE among the metrics, higher is better."""
OnEpoch = Callable[[int, dict[str, float]], None]
"""Receives the number and the metrics of each epoch."""


def no_report(epoch: int, metrics: dict[str, float]) -> None:
    """Leave an epoch unreported."""


def train(
    data: TrainingSet,
    model: TwoTower,
    config: TrainConfig,
    *,
    seed: int,
    validate: Validate | None = None,
    epochs: int | None = None,
    on_epoch: OnEpoch = no_report,
    checkpoint: Path | None = None,
    device: str = "cpu",
) -> list[dict[str, float]]:
    """Train in place until SCORE stops improving for `patience` epochs.

    The model ends with the weights of its best epoch; where the recipe averages, with
    their mean over the newest steps. The same data, config and seed give the same weights
    on the same machine.

    Args:
        data: the training set.
        model: the towers; they end on the CPU and in evaluation mode.
        config: the recipe.
        seed: of the order, the samples and dropout.
        validate: measures each epoch; without it all epochs are run and the last one is kept.
        epochs: most epochs; None for the recipe's number.
        on_epoch: receives each epoch, those before a resumed one again.
        checkpoint: file that is written after every epoch. If it exists, training resumes from it and ends as if it
            had never stopped.
        device: where the steps run.

    Returns:
        The metrics of each epoch.

    Raises:
        ValueError: the device is not there, or the checkpoint is of another training.
        FloatingPointError: the loss is not finite.
    """
    model.to(available(device))
    run = TrainState(data, model, config, seed=seed, epochs=epochs or config.optimisation.epochs)
    if checkpoint is not None and checkpoint.exists():
        load_checkpoint(checkpoint, run)
    patience = config.optimisation.patience or run.epochs
    try:
        for epoch, metrics in enumerate(run.history, 1):
            on_epoch(epoch, metrics)
        while len(run.history) < run.epochs and run.waited < patience:
            loss = run.epoch()
            measured = validate(run.kept.eval()) if validate else {SCORE: float(len(run.history))}
            parts = (run.policy.metrics() if run.policy else {}) | (run.clicks.metrics(run.kept) if run.clicks else {})
            run.note({"loss": loss, "temperature": run.kept.score.temperature.item(), **parts, **measured})
            if checkpoint is not None:
                save_checkpoint(checkpoint, run)
            on_epoch(len(run.history), run.history[-1])
    finally:
        # Also where `on_epoch` ends the training: its caller goes on with the best epoch.
        if run.history:
            model.load_state_dict(run.best_weights)
        model.eval().cpu()
    return run.history
