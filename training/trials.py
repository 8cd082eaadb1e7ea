"""Trials of recipes on the validation window, timed by a clock."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from training.data.training_set import TrainingSet
from training.recipes import TrainConfig
from training.recipes.choice import BASE, PROBE_EPOCHS, Trial
from training.towers import TwoTower
from training.trainer import SCORE, OnEpoch
from training.validation_window import ValidationWindow

SECONDS = "seconds"
"""Metric of an epoch of a timed trial: time since the epoch before ended."""
Start = Callable[[TrainConfig], tuple[TwoTower, TrainingSet, ValidationWindow]]
"""Untrained towers of a recipe, their training set, and their validation."""


class _EndedError(Exception):
    """A trial that is behind, or out of time."""


class Trials:
    """Trains and measures recipes by name; a choice calls it."""

    def __init__(
        self,
        start: Start,
        run: Callable[..., list[dict[str, float]]],
        *,
        on_epoch: OnEpoch,
        folder: Path | None,
        clock: Callable[[], float] | None,
    ) -> None:
        """Prepare trials.

        Args:
            start: prepares the trial of a recipe.
            run: `train` with seed and device.
            on_epoch: told of each epoch of the base, and of the scores of the others.
            folder: folder of checkpoints; None for none.
            clock: seconds; None measures no time.
        """
        self.start, self.run, self.on_epoch, self.folder, self.clock = start, run, on_epoch, folder, clock
        self.epochs: dict[str, list[dict[str, float]]] = {}
        self.ended: dict[str, tuple[TwoTower, ValidationWindow]] = {}

    def __call__(self, name: str, config: TrainConfig, seconds: float) -> Trial:
        """Trial of a recipe, which ends early where it is behind.

        Args:
            name: name of the trial.
            config: the recipe.
            seconds: time after which it ends, behind or not.

        Raises:
            FloatingPointError: the base diverged.
        """
        best = max(self.epochs.values(), key=_score, default=[])
        epochs = self.epochs[name] = []
        lap = _laps(self.clock) if self.clock else None
        model, data, validate = self.start(config)

        # The time is a metric of the epoch, and so part of the checkpoint: a resumed
        # choice has spent what the interrupted one had.
        def measured(towers: TwoTower) -> dict[str, float]:
            metrics = validate(towers)
            return metrics | {SECONDS: lap()} if lap else metrics

        def told(epoch: int, metrics: dict[str, float]) -> None:
            self.on_epoch(epoch, metrics if name == BASE else {f"{name}/{SCORE}": metrics[SCORE]})
            epochs.append(metrics)
            behind = len(epochs) >= PROBE_EPOCHS and _score(epochs) <= _score(best[: len(epochs)])
            if behind or _seconds(epochs) >= seconds:
                raise _EndedError

        given: dict[str, Any] = {"config": config, "validate": measured, "on_epoch": told}
        problem, last = None, 0.0
        try:
            with suppress(_EndedError):
                self.run(data, model, checkpoint=self._file(name), **given)
        except FloatingPointError as error:
            # Without the base there is no training; without another recipe there is one less to choose from.
            if name == BASE:
                raise
            problem, last = str(error), lap() if lap else 0.0
        found = Trial(score=_score(epochs), epochs=len(epochs), seconds=_seconds(epochs) + last, problem=problem)
        if problem:
            del self.epochs[name]  # no bar for those that follow
        else:
            self.ended[name] = model, validate
        return found

    def _file(self, name: str) -> Path | None:
        suffix = "" if name == BASE else f"_{name.replace(' ', '_')}"
        return self.folder and self.folder / f"trial{suffix}.safetensors"


def _score(epochs: list[dict[str, float]]) -> float:
    """Score of the best epoch; -inf before the first."""
    return max((epoch[SCORE] for epoch in epochs), default=-math.inf)


def _seconds(epochs: list[dict[str, float]]) -> float:
    return sum(epoch.get(SECONDS, 0.0) for epoch in epochs)


def _laps(clock: Callable[[], float]) -> Callable[[], float]:
    """Seconds since the last call, at first since now."""
    last = clock()

    def lap() -> float:
        nonlocal last
        before, last = last, clock()
        return last - before

    return lap
