"""Refit of the bias alone: how far its training was from an end."""

from __future__ import annotations

import copy

import numpy as np
import torch

from training.data.training_set import TrainingSet
from training.losses.clicks import click_loss
from training.towers import TwoTower
from training.towers.clicks import Shown
from training.trainer.click_objective import shown_of
from training.trainer.embedding import Embedding

ANSWERS = 5_000
"""Answers that the refit sees: enough for the few weights of a bias."""
ROUNDS = 50
"""Most iterations of the refit."""


def refit_gain(model: TwoTower, data: TrainingSet, embedding: Embedding, *, seed: int) -> float:
    """Log-likelihood of an impression that refitting the bias alone adds.

    The towers' embeddings, gain and level are held; the bias goes on from where it is by
    L-BFGS on some answers at once, without dropout. The model is left as it was.

    Args:
        model: trained towers with a click model.
        data: training set with answers.
        embedding: embeds users and items.
        seed: draws the answers.
    """
    assert model.clicks is not None and data.slates is not None
    slates = data.slates.take(np.random.default_rng(seed).permutation(len(data.slates))[:ANSWERS])
    clicks = copy.deepcopy(model.clicks).eval()
    weights = clicks.bias_weights()
    with torch.no_grad():
        shown: Shown = shown_of(model.eval(), data, slates, embedding)
    click_SL, weight_SL = torch.from_numpy(slates.click_SL), torch.from_numpy(slates.shown_SL.astype(np.float32))
    click_SL, weight_SL = click_SL.to(model.device), weight_SL.to(model.device)

    def loss() -> torch.Tensor:
        found = clicks(shown, model.score)
        return click_loss(found.log_click_KSL, found.log_none_KSL, found.log_share_K, click_SL, weight_SL)

    optimiser = torch.optim.LBFGS(weights, max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    with torch.no_grad():
        before = loss().item()
    optimiser.step(closure)
    with torch.no_grad():
        return before - loss().item()
