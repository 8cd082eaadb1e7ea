"""Answers of impressions in a training: their arrays, and the click model beside the towers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID
from training.data.answers import Answers, answers
from training.data.interactions import answered
from training.data.snapshots import Frame, Snapshots
from training.data.training_set import TrainingSet
from training.recipes import TrainConfig
from training.recipes.bias_models import POSITION
from training.recipes.impressions import check_impressions, features_of
from training.towers import TwoTower
from training.trainer.click_start import add_clicks


@dataclass(frozen=True, eq=False)
class ImpressionLog:
    """Impressions of a training part, and what answers are made of beside them."""

    impressions: pl.DataFrame
    """Canonical impressions."""
    queries: Frame
    """Joined user snapshots."""
    positives: pl.DataFrame
    """Interactions of the training part."""
    events: pl.DataFrame
    """Canonical events, for clicks that the impressions lack."""
    corpus: pl.DataFrame
    """One row of every item."""
    until: datetime
    """End of the training part."""
    granularity: str
    """Granularity of the user snapshots."""

    @cached_property
    def keys(self) -> pl.DataFrame:
        """Keys of the user snapshots that the answers meet."""
        return answered(self.impressions, self.until, self.granularity)

    def answers(self, read: Sequence[str] | None = None) -> Answers:
        """Answers to the users of the training part.

        They name their snapshots by the rows of a training set of these positives and answers.

        Args:
            read: surroundings that are read; None for the position, where there is one.

        Raises:
            ValueError: no impression is left to learn from, or the surroundings are missing.
        """
        if read is None and POSITION in self.impressions.columns:
            read = (POSITION,)  # nothing else is asked of a recipe without a bias model
        retrieved = self.positives.drop_nulls("weight")
        snapshots = Snapshots.used(self.queries, retrieved, USER_ID, "query_time", self.keys).keys
        return answers(self.impressions, snapshots, self.corpus[ITEM_ID], self.events, self.until, read)


def with_answers(
    data: TrainingSet, model: TwoTower, log: ImpressionLog | None, config: TrainConfig, *, seed: int
) -> tuple[TrainingSet, Answers | None]:
    """Training set with answers, if the recipe learns from them, and towers with its click model.

    Args:
        data: training set of the positives and answers.
        model: its towers, changed in place.
        log: impressions; None if the data have none.
        config: the recipe.
        seed: random seed.

    Returns:
        The training set and its answers; the same set and None without impressions in the
            recipe.

    Raises:
        ValueError: the recipe asks for what the impressions lack.
    """
    check_impressions(None if log is None else log.impressions.columns, config.impressions)
    if log is None or config.impressions is None:
        return data, None
    found = log.answers(features_of(config.impressions) or None)
    add_clicks(model, found.slates, config, seed=seed)
    return replace(data, slates=found.slates), found
