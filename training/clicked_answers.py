"""Answers of impressions in a training: their arrays, and the click model beside the towers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID
from training.data.answers import Answers, answers
from training.data.snapshots import Frame, Snapshots
from training.data.training_set import TrainingSet
from training.recipes import TrainConfig
from training.recipes.impressions import POSITION, check_impressions, features_of
from training.towers import TwoTower
from training.trainer.click_start import add_clicks


def with_answers(
    data: TrainingSet,
    model: TwoTower,
    impressions: pl.DataFrame | None,
    queries: Frame,
    positives: pl.DataFrame,
    events: pl.DataFrame,
    corpus: pl.DataFrame,
    until: datetime,
    config: TrainConfig,
    *,
    seed: int,
) -> tuple[TrainingSet, Answers | None]:
    """Training set with answers, if the recipe learns from them, and towers with its click model.

    Args:
        data: training set of the positives.
        model: its towers, changed in place.
        impressions: canonical impressions; None if the data have none.
        queries: joined user snapshots, as `data` was made of.
        positives: interactions of the training part.
        events: canonical events, for clicks that the impressions lack.
        corpus: one row of every item.
        until: end of the training part.
        config: the recipe.
        seed: random seed.

    Returns:
        The training set and its answers; the same set and None without impressions in the
            recipe.

    Raises:
        ValueError: the recipe asks for what the impressions lack.
    """
    check_impressions(None if impressions is None else impressions.columns, config.impressions)
    if impressions is None or config.impressions is None:
        return data, None
    read = features_of(config.impressions) or None
    found = answers_of(impressions, queries, positives, events, corpus, until, read)
    add_clicks(model, found.slates, config, seed=seed)
    return replace(data, slates=found.slates), found


def answers_of(
    impressions: pl.DataFrame,
    queries: Frame,
    positives: pl.DataFrame,
    events: pl.DataFrame,
    corpus: pl.DataFrame,
    until: datetime,
    read: Sequence[str] | None = None,
) -> Answers:
    """Answers to the users of the training part.

    Args:
        impressions: canonical impressions.
        queries: joined user snapshots.
        positives: interactions of the training part.
        events: canonical events.
        corpus: one row of every item.
        until: end of the training part.
        read: surroundings that are read; None for the position, where there is one.

    Raises:
        ValueError: no impression is left to learn from, or the surroundings are missing.
    """
    if read is None and POSITION in impressions.columns:
        read = (POSITION,)  # nothing else is asked of a recipe without a bias model
    # Only snapshots with a positive are embedded in training; an answer meets the newest of its user.
    snapshots = Snapshots.used(queries, positives, USER_ID, "query_time").keys
    return answers(impressions, snapshots, corpus[ITEM_ID], events, until, read)
