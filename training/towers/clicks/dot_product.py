"""Relevance and bias as vectors, whose product is the log-odds of a click.

Legend: S answers, L items of an answer, D dimension.
"""

from __future__ import annotations

import torch

from training.towers.clicks.base import Clicks, Shown, of_logits
from training.towers.clicks.biased import BiasedClicks
from training.towers.score import Score


class DotProductClicks(BiasedClicks):
    """p = σ(gain · <u∘v, e_k> / τ + level), the mean of e_k over all values being 1.

    A product <r, e> is the same for −r and −e, and for rotations of both. With a mean of
    1 there is one solution, and <u, v>, which serves, is the mean over the positions.
    [Yan et al., SIGIR 2022, section 3.2]
    """

    def forward(self, shown: Shown, score: Score) -> Clicks:
        """Probabilities of the clicks of some answers."""
        away_SLD = self.bias(shown.context_SLC) - self._mean()
        weighted_SLD = shown.item_SLD * (1 + away_SLD)
        return of_logits(self.relevance(torch.einsum("sd,sld->sl", shown.user_SD, weighted_SLD), score))

    def values(self) -> torch.Tensor:
        """Lengths of the bias of the known codes: each coordinate alone says little."""
        return torch.cat([self.bias.values(column).norm(dim=1) for column in self.bias.columns])

    def _mean(self) -> torch.Tensor:
        """Mean of the bias over all known values: float32 [D]."""
        return torch.stack([table.get_parameter("weight")[1:].mean(0) for table in self.bias.tables]).sum(0)
