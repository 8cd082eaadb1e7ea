"""Drawn answers: of one item up to all columns, some positions missing, weighted.

Legend: S answers, L items of the longest answer, D dimension.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from training.losses.clicks import click_loss
from training.recipes import Cosine
from training.recipes.bias_models import BiasModel
from training.towers.clicks import ClickModel, Clicks, Shown, click_model
from training.towers.score import Score

D = 3
SCORE = Score(Cosine(temperature=0.5)).double()
TEMPERATURE = SCORE.temperature.item()
"""Not 0.5: its logarithm is rounded to single precision."""
SHAPES = [(2, 2), (9, 4), (40, 25)]
"""Answers and columns."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What was shown where, and clicked."""

    user_SD: np.ndarray
    item_SLD: np.ndarray
    position_SL: np.ndarray
    """Codes from 1; 0 for a missing position and for a column without an item."""
    shown_SL: np.ndarray
    click_SL: np.ndarray
    weight_SL: np.ndarray
    """Above 0 where an item stands, else 0."""


def answers(shape: tuple[int, int], seed: int = 0) -> Answers:
    """Answers of a shape, one of them of a single item, one of them full."""
    rng = np.random.default_rng(seed)
    number, width = shape
    length_S = np.r_[1, width, rng.integers(1, width + 1, number - 2)]
    shown_SL = np.arange(width) < length_S[:, None]
    known_SL = shown_SL & (rng.random(shape) < 0.8)
    return Answers(
        user_SD=rng.normal(size=(number, D)),
        item_SLD=rng.normal(size=(number, width, D)),
        position_SL=np.where(known_SL, np.arange(1, width + 1), 0),
        shown_SL=shown_SL,
        click_SL=(shown_SL & (rng.random(shape) < 0.4)).astype(float),
        weight_SL=np.where(shown_SL, rng.uniform(0.2, 5, shape), 0.0),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Ours:
    """A click model of Gatehouse as a function of arrays: embeddings, and its own weights."""

    model: ClickModel
    answers: Answers
    weighted: bool = False

    def arguments(self, seed: int = 0, spread: float = 1.0) -> dict[str, np.ndarray]:
        """Embeddings of the answers, and drawn weights of the model."""
        rng = np.random.default_rng(seed)
        weights = {name: spread * rng.normal(size=tuple(each.shape)) for name, each in self.model.named_parameters()}
        if "vectors.weight" in weights:
            weights["vectors.weight"][0] = 0  # the position that serves has no vector
        return {"user": self.answers.user_SD, "item": self.answers.item_SLD, **weights}

    def loss(self, given: dict[str, torch.Tensor]) -> torch.Tensor:
        """Loss of the clicks."""
        shown = Shown(
            user_SD=given["user"],
            item_SLD=given["item"],
            context_SLC=torch.from_numpy(self.answers.position_SL).unsqueeze(-1),
            shown_SL=torch.from_numpy(self.answers.shown_SL),
        )
        weights = {name: given[name] for name, _ in self.model.named_parameters()}
        clicks: Clicks = torch.func.functional_call(self.model, weights, (shown, SCORE))
        weight_SL = self.answers.weight_SL if self.weighted else self.answers.shown_SL.astype(float)
        return click_loss(
            clicks.log_click_KSL,
            clicks.log_none_KSL,
            clicks.log_share_K,
            *(torch.from_numpy(each) for each in (self.answers.click_SL, weight_SL)),
        )


def ours(config: BiasModel | None, shown: Answers, *, weighted: bool = False) -> Ours:
    """Click model of a recipe, for some answers."""
    size = shown.position_SL.shape[1] + 1
    model = click_model(config, ("position",), (size,), dim=D, click_rate=0.3).double().eval()
    return Ours(model=model, answers=shown, weighted=weighted)
