"""Score of a user and an item: where two embeddings become a logit."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from training.recipes.objective import Cosine, ScoreConfig
from training.towers.normalize import unchanged, unit


class Score(nn.Module):
    """logit = <u, v> / τ + shift, of unit vectors where the recipe compares cosines.

    Vectors of any length need no τ: theirs is 1. An index ranks by <u, v>, so τ also
    converts between its scores and logits. Such a conversion leaves the shift out: it is
    the same for all items and ranks none above another.

    Args:
        config: declaration of the score.
    """

    def __init__(self, config: ScoreConfig) -> None:
        super().__init__()
        self.normalise = unit if isinstance(config, Cosine) else unchanged
        cosine = config if isinstance(config, Cosine) else Cosine(temperature=1.0, learned=False)
        # The logarithm is learned, so that τ stays above 0 however far a gradient drives it.
        self.log_temperature = nn.Parameter(torch.tensor(math.log(cosine.temperature)), requires_grad=cosine.learned)
        self.log_bounds = tuple(math.log(bound) for bound in cosine.bounds)
        self.shift = nn.Parameter(torch.zeros(()), requires_grad=config.shift)

    @property
    def temperature(self) -> Tensor:
        """τ, within its bounds."""
        return self.log_temperature.clamp(*self.log_bounds).exp()

    @property
    def scale(self) -> Tensor:
        """1 / τ."""
        return 1 / self.temperature

    def to_logits(self, score: Tensor) -> Tensor:
        """Convert scores of the index to logits without the shift.

        Given users' embeddings instead of scores, it returns vectors whose products with
        items are logits.
        """
        return self.scale * score

    def to_index(self, logit: Tensor) -> Tensor:
        """Convert terms of a logit to the scale of the index."""
        return self.temperature * logit
