"""Refit of the bias alone: how far its training was from an end."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch

from training.data.training_set import TrainingSet
from training.losses.clicks import click_loss
from training.towers import TwoTower
from training.towers.clicks import Shown
from training.trainer.click_objective import shown_of
from training.trainer.embedding import Embedding

ANSWERS, CELLS = 5_000, 5_000_000
"""Answers that the refit sees at most, and pairs of items in them."""
ROUNDS = 50
"""Most iterations of the refit."""


def refit_gain(model: TwoTower, data: TrainingSet, weight_SL: np.ndarray, embedding: Embedding, *, seed: int) -> float:
    """Log-likelihood of an impression that refitting the bias alone adds on other answers.

    The towers' embeddings, gain and level are held; the bias goes on from where it is by
    L-BFGS on half of some answers, without dropout, and is measured on the other half:
    on its own half, many weights gain whatever they were. The model is left as it was.

    Args:
        model: trained towers with a click model.
        data: training set with answers.
        weight_SL: weight of each impression in training.
        embedding: embeds users and items.
        seed: draws the answers.
    """
    assert model.clicks is not None and data.slates is not None
    number = min(ANSWERS, 2 * max(1, CELLS // data.slates.item_SL.shape[1] ** 2))
    rows = np.random.default_rng(seed).permutation(len(data.slates))[:number]
    clicks = copy.deepcopy(model.clicks).eval()
    model.eval()

    def likelihood_of(part: np.ndarray) -> Callable[[], torch.Tensor]:
        with torch.no_grad():
            slates = data.slates.take(part)  # type: ignore[union-attr]
            shown: Shown = shown_of(model, data, slates, embedding)
        arrays = slates.click_SL, weight_SL[part]
        click_SL, weights_SL = (torch.from_numpy(each).to(model.device) for each in arrays)

        def loss() -> torch.Tensor:
            found = clicks(shown, model.score)
            return click_loss(found.log_click_KSL, found.log_none_KSL, found.log_share_K, click_SL, weights_SL)

        return loss

    learned, measured = likelihood_of(rows[::2]), likelihood_of(rows[1::2])
    optimiser = torch.optim.LBFGS(clicks.bias_weights(), max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = learned()
        value.backward()
        return value

    with torch.no_grad():
        before = measured().item()
    optimiser.step(closure)
    with torch.no_grad():
        return before - measured().item()
