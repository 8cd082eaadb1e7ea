"""Click model of towers, and where its training starts."""

from __future__ import annotations

import numpy as np
import torch

from training.data.answer_types import answer_types
from training.data.slates import Slates
from training.recipes import TrainConfig
from training.recipes.bias_models import POSITION, Mixture
from training.towers import TwoTower
from training.towers.clicks import click_model
from training.towers.clicks.mixture import MixtureClicks


def add_clicks(model: TwoTower, slates: Slates, config: TrainConfig, *, seed: int) -> None:
    """Give towers the click model of their recipe.

    Args:
        model: the towers, changed in place.
        slates: answers that it will learn from.
        config: the recipe.
        seed: decides starting weights.

    Raises:
        ValueError: impressions without a click or without a miss, or without surroundings
            that the bias reads.
    """
    if config.impressions is None:
        return
    rate = float(slates.click_SL[slates.shown_SL].mean())
    if not 0 < rate < 1:
        raise ValueError(
            f"of {slates.shown_SL.sum():,} impressions {'all' if rate else 'none'} have a click; wanted both kinds, or "
            "there is nothing to learn: look at the column of clicks, or leave impressions out of the recipe"
        )
    torch.manual_seed(seed)
    bias = config.impressions.bias
    model.clicks = click_model(bias, slates.names, slates.sizes, dim=config.dim, click_rate=rate)
    model.clicks.to(model.device)
    if isinstance(bias, Mixture) and isinstance(model.clicks, MixtureClicks):
        _start(model.clicks, bias, slates, seed)


def _start(clicks: MixtureClicks, config: Mixture, slates: Slates, seed: int) -> None:
    """Start the components from types of answers; alike, they would stay alike."""
    name = POSITION if POSITION in config.features else config.features[0]
    logit_KP, share_K = answer_types(
        slates.of(name),
        slates.click_SL,
        slates.shown_SL,
        types=config.components,
        starts=config.restarts,
        rng=np.random.default_rng(seed),
    )
    table = clicks.bias.tables[config.features.index(name)].get_parameter("weight")
    with torch.no_grad():
        weight_PK = torch.from_numpy(logit_KP.T.astype(np.float32)) - clicks.level.detach().cpu()
        table[1 : len(weight_PK)].copy_(weight_PK[1:])  # an unknown value starts at the level
        clicks.share.copy_(torch.from_numpy(np.log(np.maximum(share_K, 1e-3)).astype(np.float32)))
