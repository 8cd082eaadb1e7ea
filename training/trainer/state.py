"""The state of a training: everything that moves, and that a checkpoint holds."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch

from feature_repo.progress import track
from training.data.training_set import Batch, TrainingSet
from training.recipes.config import TrainConfig
from training.recipes.sampling import HardNegatives
from training.sampling.hard_negatives import mine
from training.towers import TwoTower
from training.trainer.batch_norm import recalibrate
from training.trainer.candidates import CandidateBuilder
from training.trainer.click_objective import ClickObjective
from training.trainer.optimisers import Optimisers, averaged
from training.trainer.policy_objective import PolicyObjective
from training.trainer.self_supervised import SelfSupervision
from training.trainer.step import backpropagate

SCORE = "score"
"""The validation metric that decides early stopping."""

AVERAGES_PER_EPOCH = 100
"""Steps of an epoch, at least, that enter the average; in a long epoch not all of them do: neighbours are alike, and
each costs a pass over all weights."""


class TrainState:
    """Everything that moves while training: what a checkpoint holds."""

    def __init__(self, data: TrainingSet, model: TwoTower, config: TrainConfig, *, seed: int, epochs: int) -> None:
        torch.manual_seed(seed)
        self.data, self.model, self.config, self.seed, self.epochs = data, model, config, seed, epochs
        self.rng = np.random.default_rng(seed)
        self.builder = CandidateBuilder(data, config, model, seed)
        views = config.self_supervised
        self.views = SelfSupervision(data, views, model, seed) if views else None
        self.policy = PolicyObjective(data, config, model.device) if config.policy else None
        settings, task = config.optimisation, config.impressions
        batches = data.batches(settings.batch_size, self.rng)
        self.clicks = ClickObjective(data, task, seed, len(batches)) if task else None
        steps = epochs * len(self._steps(batches))
        self.optimisers = Optimisers.of_towers(model, config, steps, self.policy.behaviour if self.policy else None)
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
        hard = self.config.negatives.hard
        if isinstance(hard, HardNegatives) and self.history and len(self.history) % hard.epochs == 0:
            self.builder.mined_UM = mine(self.model, self.data, hard)
        if self.clicks:
            self.clicks.begin(self.kept)
        self.model.train()
        batches = self.data.batches(self.config.optimisation.batch_size, self.rng)
        steps = self._steps(batches)
        total, every = 0.0, max(1, len(steps) // AVERAGES_PER_EPOCH)
        label = f"batches of epoch {len(self.history) + 1} of at most {self.epochs}"
        for left, rows in zip(reversed(range(len(steps))), track(steps, label), strict=True):
            given = self.builder, self.config, self.views, self.policy, self.clicks
            total += backpropagate(self.model, None if rows is None else self._batch(rows), *given)
            self.optimisers.step()
            # Counted from the end, so that the last step always enters.
            if self.average and left % every == 0:
                self.average.update_parameters(self.model)
        recalibrate(self.kept, (self._batch(rows) for rows in batches))
        return total / len(steps)

    def _steps(self, batches: list[np.ndarray]) -> Sequence[np.ndarray | None]:
        """Interactions of each step of an epoch; None where answers alone are learned from.

        Beside retrieval, clicks follow its steps; alone, an epoch is one pass over the answers.
        """
        return [None] * self.clicks.steps if self.clicks and self.clicks.alone else batches

    def _batch(self, rows: np.ndarray) -> Batch:
        return self.data.batch(rows, whole_corpus=self.config.whole_corpus).to(self.model.device)

    def note(self, metrics: dict[str, float]) -> None:
        """Keep an epoch's metrics, and its weights if they are the best."""
        self.history.append(metrics)
        self.waited += 1
        if metrics[SCORE] > self.best_score:
            self.best_score, self.waited = metrics[SCORE], 0
            # A state dict holds the weights themselves, which the next step moves.
            self.best_weights = copy.deepcopy(self.kept.state_dict())
