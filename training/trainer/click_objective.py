"""Clicks of impressions as a task of the towers, beside retrieval.

Legend: S answers of a step, L items of an answer, R distinct user snapshots, N distinct
items, D dimension.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.data.click_labels import click_labels
from training.data.slates import Slates
from training.data.training_set import TrainingSet
from training.diagnostics.convergence import moved
from training.losses.clicks import click_loss
from training.recipes.bias_models import CrossPositional
from training.recipes.impressions import ImpressionTask
from training.towers import TwoTower
from training.towers.clicks import Clicks, Shown
from training.trainer.embedding import Embedding

PLACES, PAIRS = 400_000, 5_000_000
"""Most places of items, and pairs of them, in the answers of a step, unless the recipe asks for more answers: a place
holds vectors and their gradients, a pair a few numbers."""
BIAS_MOVED = "bias/moved"
"""Metric of an epoch: change of the bias in it, see `diagnostics.convergence.moved`."""


class ClickObjective:
    """Loss of some answers' clicks in each step.

    Answers come in random order, each once before any comes again. Beside retrieval a
    step takes as many as let an epoch read about all of them. A checkpoint holds the state.

    Args:
        data: training set with slates.
        config: declaration of the task.
        seed: random seed.
        retrieval_steps: steps of retrieval in an epoch; None for `slates` answers a step.

    Raises:
        ValueError: a training set without slates, or too few effective impressions.
    """

    def __init__(
        self, data: TrainingSet, config: ImpressionTask, seed: int, retrieval_steps: int | None = None
    ) -> None:
        if data.slates is None:
            raise ValueError("the recipe learns from impressions, and the training set has none")
        self.data, self.slates, self.config = data, data.slates, config
        self.labels = click_labels(data.slates, config, data.user_Q[data.slates.query_S])
        # An answer that says nothing would leave a step of its like without any weight.
        self.told = np.flatnonzero(self.labels.weight_SL.any(axis=1))
        share = math.ceil(len(self.told) / retrieval_steps) if retrieval_steps and not self.alone else 0
        self.number = min(len(self.told), max(config.slates, min(share, self._most())))
        """Answers of a step."""
        self.rng = torch.Generator().manual_seed(seed)
        self.left = torch.empty(0, dtype=torch.int64)
        self.before_V = np.empty(0)

    def _most(self) -> int:
        """Most answers of a step, by what they hold."""
        longest = self.slates.item_SL.shape[1]
        # Every item of an answer looks at every other one there.
        pairs = PAIRS if isinstance(self.config.bias, CrossPositional) else math.inf
        return int(min(PLACES // longest, pairs // longest**2))

    def loss(self, model: TwoTower, embedding: Embedding) -> Tensor:
        """Loss of the next answers."""
        rows = self._next()
        slates = self.slates.take(rows)
        clicks = clicks_of(model, self.data, slates, embedding)
        label_SL, weight_SL = (
            torch.from_numpy(array[rows]).to(model.device) for array in (self.labels.label_SL, self.labels.weight_SL)
        )
        return click_loss(clicks.log_click_KSL, clicks.log_none_KSL, clicks.log_share_K, label_SL, weight_SL)

    @property
    def alone(self) -> bool:
        """Whether the clicks are all that is learned from."""
        return self.config.weight == 1

    @property
    def steps(self) -> int:
        """Number of steps of one pass over the answers that tell something."""
        return math.ceil(len(self.told) / self.number)

    def begin(self, model: TwoTower) -> None:
        """Keep the bias at the start of an epoch."""
        self.before_V = _bias_values(model)

    def metrics(self, model: TwoTower) -> dict[str, float]:
        """Change of the bias in an epoch; nothing without one."""
        after_V = _bias_values(model)
        return {BIAS_MOVED: moved(self.before_V, after_V)} if len(after_V) else {}

    def _next(self) -> np.ndarray:
        """Rows of the next answers: int64 [S]."""
        if len(self.left) < self.number:
            self.left = torch.cat([self.left, torch.randperm(len(self.told), generator=self.rng)])
        taken, self.left = self.left[: self.number], self.left[self.number :]
        return self.told[taken.numpy()]

    def state(self) -> dict[str, Tensor]:
        """Tensors for a checkpoint."""
        return {"rng": self.rng.get_state(), "left": self.left}

    def load(self, state: dict[str, Tensor]) -> None:
        """Restore the tensors of `state`."""
        self.rng.set_state(state["rng"].cpu())
        self.left = state["left"].cpu()


@torch.no_grad()
def _bias_values(model: TwoTower) -> np.ndarray:
    """Values of the bias tower as it serves, in one row."""
    assert model.clicks is not None
    was = model.clicks.training
    values_V: np.ndarray = model.clicks.eval().values().cpu().numpy()
    model.clicks.train(was)
    return values_V


def clicks_of(model: TwoTower, data: TrainingSet, slates: Slates, embedding: Embedding) -> Clicks:
    """Probabilities of the clicks of some answers, by the towers and their click model.

    Args:
        model: towers with a click model.
        data: training set, which holds users and items.
        slates: the answers.
        embedding: embeds users and items.
    """
    if model.clicks is None:
        raise ValueError("the towers were built without a click model: build them by a recipe with impressions")
    clicks: Clicks = model.clicks(shown_of(model, data, slates, embedding), model.score)
    return clicks


def shown_of(model: TwoTower, data: TrainingSet, slates: Slates, embedding: Embedding) -> Shown:
    """Embed the users and items of some answers.

    Args:
        model: the towers.
        data: training set, which holds users and items.
        slates: the answers.
        embedding: embeds users and items.
    """
    # A user has many answers and an item many impressions: each passes its tower once.
    query_R, user_S = np.unique(slates.query_S, return_inverse=True)
    item_N, place_SL = np.unique(np.maximum(slates.item_SL, 0), return_inverse=True)
    users, items = (
        {name: torch.from_numpy(array).to(model.device) for name, array in arrays.items()}
        for arrays in (data.users(query_R), {name: array[item_N] for name, array in data.corpus.items()})
    )
    user_RD, item_ND = embedding.whole(model.user, users), embedding.whole(model.item, items)
    row_S, column_SL, context_SLC, shown_SL = (
        torch.from_numpy(array).to(model.device) for array in (user_S, place_SL, slates.context_SLC, slates.shown_SL)
    )
    # Not by brackets: their gradients are added in the order of threads, which no seed decides.
    user_SD, item_SLD = F.embedding(row_S, user_RD), F.embedding(column_SL, item_ND)
    return Shown(user_SD=user_SD, item_SLD=item_SLD, context_SLC=context_SLC, shown_SL=shown_SL)
