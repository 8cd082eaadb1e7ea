"""Validation window of a trial: its users, its corpus, and what they took in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.data.training_set import Arrays
from training.evaluation.evaluate import evaluate
from training.evaluation.holdout import Holdout
from training.recipes.config import TrainConfig
from training.retrieval.exact import MakeSearch
from training.retrieval.model_search import served_search
from training.towers import TwoTower
from training.trainer import SCORE


@dataclass(frozen=True, kw_only=True, eq=False)
class ValidationWindow:
    """Window that towers are measured on, with all that they see there."""

    holdout: Holdout
    """Users who were active in the window, and what they took."""
    users: Arrays
    """Encoded users, as of the start of the window."""
    items: Arrays
    """Encoded corpus, likewise."""
    config: TrainConfig
    """Recipe of the towers."""
    seed: int
    """Random seed of the evaluation."""

    def __call__(self, model: TwoTower) -> dict[str, float]:
        """Metrics of towers, with their score."""
        return self.measured(served_search(model, self.users, self.items))

    def measured(self, search: MakeSearch) -> dict[str, float]:
        """Metrics of a search, with its score."""
        metrics = evaluate(search, self.holdout, ks=(20, 100), seed=self.seed).metrics
        # A repeat head is trained after the towers and ranks the history alone, so the
        # towers stop by their discoveries.
        return with_score(metrics, 0.0 if self.config.repeat else 1.0, self.config.weighting.discovery_weight)


def with_score(metrics: dict[str, float], repeat_weight: float, discovery_weight: float) -> dict[str, float]:
    """Add the score of early stopping to the metrics of whole views.

        score = (repeat^v · discovery^w)^(1 / (v + w)), of recall@20

    In a weighted geometric mean a small number counts as much as a large one. If seen
    items do not return, `all` is the score.

    Args:
        metrics: metrics by view; those of slices are left out.
        repeat_weight: v; 0 if a repeat head is trained after the towers.
        discovery_weight: w, as in the loss.

    Returns:
        The score and the metrics, by name.
    """
    whole = {name: value for name, value in metrics.items() if name.count("/") == 1}
    weights = {"repeat": repeat_weight, "discovery": discovery_weight}
    seen = {view: weight for view, weight in weights.items() if f"{view}/recall@20" in whole} or {"all": 1.0}
    # The floor keeps the logarithm finite for a recall of 0.
    logs = [weight * np.log(max(whole[f"{view}/recall@20"], 1e-12)) for view, weight in seen.items()]
    return {SCORE: float(np.exp(sum(logs) / sum(seen.values())))} | whole
