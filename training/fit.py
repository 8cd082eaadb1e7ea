"""Fit from joined frames: a trial on the validation window, then a refit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch

from feature_repo.encode import Encoder
from feature_repo.schema import ITEM_ID, USER_ID, Entity, Schema
from feature_repo.standard_views import item_statistics_view
from training.artifacts.load import Released, read_release
from training.artifacts.warm_start import carry_over
from training.calibration import set_prior, with_prior
from training.data.als_factors import behaviour
from training.data.assemble import assemble, fit_encoders, tower_features
from training.data.exposures import with_impressions
from training.data.interactions import at, interactions
from training.data.item_facts import item_facts
from training.data.repeat import repeat_facts
from training.data.sample_weights import weighted
from training.data.snapshots import Frame
from training.data.training_set import Arrays, TrainingSet
from training.evaluation.holdout import temporal_holdout
from training.recipes import InBatch, TrainConfig
from training.recipes.choice import SWITCHES, Tried, choose
from training.towers import TwoTower, codes_of, new_model
from training.trainer import SCORE, OnEpoch, fit_repeat_head, train
from training.trials import Trials
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
    examples: tuple[Arrays, Arrays] = ({}, {})
    """Some encoded users and items, as arrays."""


def fit(
    *,
    schema: Schema,
    queries: Frame,
    item_snapshots: Frame,
    positives: pl.DataFrame,
    events: pl.DataFrame,
    validation_start: datetime,
    cut: datetime,
    config: TrainConfig,
    seed: int,
    on_epoch: OnEpoch,
    impressions: pl.DataFrame | None = None,
    warm_start: Path | None = None,
    checkpoints: Path | None = None,
    device: str = "cpu",
    choice_seconds: float = 0.0,
    clock: Callable[[], float] = time.perf_counter,
) -> Fitted:
    """Fit towers on everything before the cut.

    A recipe with patience first finds the number of epochs in a trial, measured on
    [validation_start, cut), and then trains on everything before the cut. The second
    training costs as much as the first and is worth it: the newest weeks say most about
    the next ones. A recipe without patience names its number of epochs, and needs no trial.
    With seconds for a choice, further trials try the switches of `recipes.choice`, and
    last an item prior, which is learned on the same window beside the trial's towers.

    Args:
        schema: features of users and items.
        queries: joined snapshots of users: those of the positives and, at
            validation_start, of every user.
        item_snapshots: joined snapshots of items, likewise, with the whole corpus.
        positives: `interactions` until the cut.
        events: canonical; read only up to the cut.
        validation_start: end of what a trial learns from.
        cut: end of the training part.
        config: recipe.
        seed: random seed.
        on_epoch: told the number and the metrics of each epoch.
        impressions: canonical, where the data have them; each training reads those
            before its own end, if its recipe asks.
        warm_start: folder of a release whose weights both trainings start from. Its cut
            must not lie behind validation_start: else the trial is measured on what the
            release has seen, and ends too early.
        checkpoints: folder of this training alone; a call with the same arguments
            resumes from the last completed epoch there, and ends with the same towers.
        device: torch device, see `train`.
        choice_seconds: budget of all trials of a choice; 0 for none, so that the recipe
            is trained as it is. Without patience there is no trial and no choice.
        clock: seconds, which trials are timed by.

    Returns:
        The towers with their encoders.

    Raises:
        ValueError: a recipe that cannot be trained on these data.
    """
    released = read_release(warm_start) if warm_start else None
    _check_recipe(schema, config)
    run = partial(train, seed=seed, device=device)
    measured, best, prior = None, config.optimisation.epochs, None
    tried: tuple[Tried, ...] = ()
    # The corpus of the training has the snapshots of `validation_start`, which are joined
    # for every item.
    users, items = at(queries, validation_start), at(item_snapshots, validation_start, week=True)
    if config.optimisation.patience is not None:

        def start(config: TrainConfig) -> tuple[TwoTower, TrainingSet, ValidationWindow]:
            given = schema, queries, item_snapshots, events, validation_start, cut, config
            trial, data, window = start_trial(*given, seed=seed, released=released, impressions=impressions)
            return trial.model, data, window

        trials = Trials(start, run, on_epoch=on_epoch, folder=checkpoints, clock=clock if choice_seconds else None)
        switches = SWITCHES if choice_seconds else {}
        config, tried = choose(config, trials, items=len(items), seconds=choice_seconds, switches=switches)
        taken = [each.name for each in tried if each.taken][-1]
        measured = trials.epochs[taken]
        best = 1 + int(np.argmax([epoch[SCORE] for epoch in measured]))
        facts = item_facts(events, items[ITEM_ID], validation_start)[0]
        config, prior, tried = with_prior(
            config, tried, trials.ended[taken], facts, choose=bool(switches), seed=seed, clock=clock
        )
    final, data = untrained(schema, queries, item_snapshots, items, positives, config, seed, released)
    data = with_impressions(data, impressions, positives, items[ITEM_ID], cut, config)

    def on_refit(epoch: int, metrics: dict[str, float]) -> None:
        on_epoch(epoch, {"refit": metrics["loss"]})

    refit_file = checkpoints and checkpoints / "refit.safetensors"
    losses = run(data, final.model, config=config, epochs=best, on_epoch=on_refit, checkpoint=refit_file)
    fit_repeat_head(data, final.model, config, seed=seed, device=device)
    set_prior(final.model, final.item_encoder, items, events, cut, weights=prior)
    examples = [e.encode(frame.head(3)) for e, frame in ((final.user_encoder, users), (final.item_encoder, items))]
    # Without a trial there is no score: nothing was measured.
    epochs = measured or [{name: value for name, value in each.items() if name != SCORE} for each in losses]
    return replace(final, epochs=epochs, examples=(examples[0], examples[1]), tried=tried if choice_seconds else ())


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
    _check_recipe(schema, config)
    positives = interactions(events, validation_start, schema.snapshots)
    trial, data = untrained(schema, queries, item_snapshots, items, positives, config, seed, released)
    data = with_impressions(data, impressions, positives, items[ITEM_ID], validation_start, config)
    window = ValidationWindow(
        holdout=holdout,
        users=trial.user_encoder.encode(users[holdout.users_Q], validation_start),
        items=trial.item_encoder.encode(items),
        config=config,
        seed=seed,
    )
    return trial, data, window


def untrained(
    schema: Schema,
    queries: Frame,
    items: Frame,
    corpus: pl.DataFrame,
    positives: pl.DataFrame,
    config: TrainConfig,
    seed: int,
    released: Released | None = None,
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
    """
    user_encoder, item_encoder = fit_encoders(schema, queries, items, positives, config)
    days = config.repeat.days if config.repeat else 0
    data = assemble(
        queries, items, weighted(positives, config.weighting), user_encoder, item_encoder, corpus, label_days=days
    )
    known = behaviour(positives, user_encoder, item_encoder, config, seed=seed)
    inputs = (*user_encoder.inputs, *known.user_inputs), (*item_encoder.inputs, *known.item_inputs)
    model = new_model(*inputs, codes_of(item_encoder, data.corpus), config, seed=seed)
    known.fill(model)
    if model.repeat:
        model.repeat.get_buffer("facts_VF").copy_(torch.from_numpy(repeat_facts(positives, item_encoder)))
    if released:
        carry_over(released, model, config, user_encoder, item_encoder)
    return Fitted(model=model, user_encoder=user_encoder, item_encoder=item_encoder, config=config), data


def _check_recipe(schema: Schema, config: TrainConfig) -> None:
    """Raise ValueError for a recipe that cannot be trained on such data."""
    _refuse_stale_negatives(schema, config)
    if config.repeat and not schema.seen_items_may_return:
        raise ValueError(
            f"the recipe has a repeat head, but seen items never return in {schema.dataset}, so that it would rank "
            "nothing: leave repeat out"
        )


def _refuse_stale_negatives(schema: Schema, config: TrainConfig) -> None:
    """Raise ValueError if a recipe compares item features of different times."""
    # Drawn negatives and history items have the corpus' features of one time, positives
    # those of theirs. If a feature changes with time, the towers tell them apart by it.
    statistics = {feature.name for feature in item_statistics_view(value=True).features}
    changing = sorted(statistics & {feature.name for feature in tower_features(schema, Entity.ITEM, config)})
    sampler, hard = config.negatives.sampler, config.negatives.hard
    if changing and (hard or config.repeat or not isinstance(sampler, InBatch)):
        raise ValueError(
            f"{sampler} with hard={hard} and repeat={config.repeat} reads item features of one time, "
            f"but the item tower sees features that change with time: {', '.join(changing)}. Name "
            "them in leave_out, or use InBatch() alone"
        )
