"""Untrained towers of a recipe, with their encoders and their training set."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
import torch

from feature_repo.encode import Encoder
from feature_repo.schema import ITEM_ID, USER_ID, Entity, Schema
from feature_repo.standard_views import item_statistics_view
from training.artifacts.bias import BiasReport
from training.artifacts.load import Released
from training.artifacts.warm_start import carry_over
from training.clicked_answers import ImpressionLog, with_answers
from training.data.als_factors import behaviour
from training.data.answers import Answers
from training.data.assemble import assemble, fit_encoders, tower_features
from training.data.exposures import with_impressions
from training.data.interactions import at, interactions
from training.data.repeat import repeat_facts
from training.data.retrieved import retrieved
from training.data.returns import with_returns
from training.data.sample_weights import weighted
from training.data.snapshots import Frame
from training.data.training_set import Arrays, TrainingSet
from training.evaluation.holdout import temporal_holdout
from training.recipes import InBatch, TrainConfig
from training.recipes.choice import Tried
from training.towers import TwoTower, codes_of, new_model
from training.validation_window import ValidationWindow


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Towers with their encoders."""

    model: TwoTower
    """The towers."""
    user_encoder: Encoder
    """Encoder of user snapshots."""
    item_encoder: Encoder
    """Encoder of item snapshots."""
    config: TrainConfig
    """Recipe of the training, with the switches that a choice took."""
    tried: tuple[Tried, ...] = ()
    """What was tried on the validation window; empty without a choice."""
    epochs: list[dict[str, float]] = field(default_factory=list)
    """Metrics of each epoch of the trial; without one, the losses of the training."""
    passes: int = 0
    """Number of epochs that the towers were trained for."""
    examples: tuple[Arrays, Arrays] = ({}, {})
    """Some encoded users and items, as arrays."""
    bias: BiasReport | None = None
    """Report on the bias of the impressions; None without impressions."""


def start_trial(
    schema: Schema,
    queries: Frame,
    item_snapshots: Frame,
    events: pl.DataFrame,
    validation_start: datetime,
    cut: datetime,
    config: TrainConfig,
    *,
    seed: int,
    released: Released | None = None,
    impressions: pl.DataFrame | None = None,
) -> tuple[Fitted, TrainingSet, ValidationWindow]:
    """Untrained towers, their training set, and their validation.

    Args:
        schema: declared features.
        queries: as for `fit`.
        item_snapshots: as for `fit`.
        events: canonical events; read only up to the cut.
        validation_start: end of the trial's training part.
        cut: end of the validation window.
        config: the recipe.
        seed: random seed.
        released: release whose weights the towers start from; None for none.
        impressions: canonical impressions.

    Returns:
        The towers, the training set before `validation_start`, and the validation window,
            which measures towers.

    Raises:
        ValueError: a recipe that cannot be trained on these data.
    """
    users, items = at(queries, validation_start), at(item_snapshots, validation_start, week=True)
    holdout = temporal_holdout(
        events, users[USER_ID], items[ITEM_ID], validation_start, cut, schema.seen_items_may_return
    )
    check_recipe(schema, config)
    positives = interactions(events, validation_start, schema.snapshots)
    given = schema, queries, item_snapshots, items, positives, events, impressions, validation_start, config
    start = start_until(*given, seed=seed, released=released)
    window = ValidationWindow(
        holdout=holdout,
        users=start.towers.user_encoder.encode(users[holdout.users_Q], validation_start),
        items=start.towers.item_encoder.encode(items),
        config=config,
        seed=seed,
    )
    return start.towers, start.data, window


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """Untrained towers with their training set, and the impressions behind it."""

    towers: Fitted
    """Untrained towers, with a click model if the recipe learns from impressions."""
    data: TrainingSet
    """Their training set."""
    log: ImpressionLog | None
    """Impressions of the training part; None if the data have none."""
    answers: Answers | None
    """Answers that are learned from; None without impressions in the recipe."""


def start_until(
    schema: Schema,
    queries: Frame,
    item_snapshots: Frame,
    corpus: pl.DataFrame,
    positives: pl.DataFrame,
    events: pl.DataFrame,
    impressions: pl.DataFrame | None,
    until: datetime,
    config: TrainConfig,
    *,
    seed: int,
    released: Released | None = None,
) -> Start:
    """Untrained towers and their training set of what was known before a time.

    Args:
        schema: declared features.
        queries: as for `fit`.
        item_snapshots: as for `fit`.
        corpus: one row of every item, sorted by item.
        positives: `interactions` until then.
        events: canonical events; read only up to then.
        impressions: canonical impressions; None if the data have none.
        until: end of what is learned from.
        config: the recipe.
        seed: random seed.
        released: release whose weights the towers start from; None for none.

    Raises:
        ValueError: a recipe that cannot be trained on these data.
    """
    positives = retrieved(positives, events, impressions, until, config.impressions, schema.snapshots)
    log = None
    if impressions is not None:
        log = ImpressionLog(impressions, queries, positives, events, corpus, until, schema.snapshots)
    returned = with_returns(positives, config.policy, until)
    given = schema, queries, item_snapshots, corpus, returned, config, seed, released
    towers, data = untrained(*given, answered=log.keys if log and config.impressions else None)
    data = with_impressions(data, impressions, positives, corpus[ITEM_ID], until, config)
    data, answers = with_answers(data, towers.model, log, config, seed=seed)
    return Start(towers=towers, data=data, log=log, answers=answers)


def untrained(
    schema: Schema,
    queries: Frame,
    items: Frame,
    corpus: pl.DataFrame,
    positives: pl.DataFrame,
    config: TrainConfig,
    seed: int,
    released: Released | None = None,
    answered: pl.DataFrame | None = None,
) -> tuple[Fitted, TrainingSet]:
    """Towers to train, with encoders fitted on positives, and their training set.

    Args:
        schema: declared features.
        queries: joined user snapshots.
        items: joined item snapshots.
        corpus: one row of every item, sorted by item.
        positives: interactions of the training part.
        config: the recipe.
        seed: random seed.
        released: release whose weights the towers start from; None for none.
        answered: keys of the user snapshots of answers; None unless the recipe learns from them.
    """
    user_encoder, item_encoder = fit_encoders(schema, queries, items, positives, config)
    days = config.repeat.days if config.repeat else 0
    given = queries, items, weighted(positives, config.weighting), user_encoder, item_encoder, corpus
    data = assemble(*given, label_days=days, answered=answered)
    known = behaviour(positives, user_encoder, item_encoder, config, seed=seed)
    inputs = (*user_encoder.inputs, *known.user_inputs), (*item_encoder.inputs, *known.item_inputs)
    model = new_model(*inputs, codes_of(item_encoder, data.corpus), config, seed=seed)
    known.fill(model)
    if model.repeat:
        model.repeat.get_buffer("facts_VF").copy_(torch.from_numpy(repeat_facts(positives, item_encoder)))
    if released:
        carry_over(released, model, config, user_encoder, item_encoder)
    return Fitted(model=model, user_encoder=user_encoder, item_encoder=item_encoder, config=config), data


def check_recipe(schema: Schema, config: TrainConfig) -> None:
    """Raise ValueError for a recipe that cannot be trained on such data."""
    _refuse_stale_negatives(schema, config)
    if config.repeat and not schema.seen_items_may_return:
        raise ValueError(
            f"the recipe has a repeat head, but seen items never return in {schema.dataset}, so that it would rank "
            "nothing: leave repeat out"
        )


def _refuse_stale_negatives(schema: Schema, config: TrainConfig) -> None:
    """Raise ValueError if a recipe compares item features of different times."""
    # Drawn negatives, history items and impressions have the corpus' features of one time,
    # positives those of theirs. If a feature changes with time, the towers tell them apart by it.
    statistics = {feature.name for feature in item_statistics_view(value=True).features}
    changing = sorted(statistics & {feature.name for feature in tower_features(schema, Entity.ITEM, config)})
    sampler, hard = config.negatives.sampler, config.negatives.hard
    if changing and (hard or config.repeat or config.impressions or not isinstance(sampler, InBatch)):
        raise ValueError(
            f"{sampler} with hard={hard}, repeat={config.repeat} and impressions={config.impressions} reads item "
            "features of one time, "
            f"but the item tower sees features that change with time: {', '.join(changing)}. Name "
            "them in leave_out, or use InBatch() alone"
        )
