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

from feature_repo.schema import ITEM_ID, Schema
from training.artifacts.load import read_release
from training.bias_diagnosis import diagnosed, with_model
from training.calibration import set_prior, with_prior
from training.data.interactions import at
from training.data.item_facts import item_facts
from training.data.snapshots import Frame
from training.data.training_set import TrainingSet
from training.recipes import TrainConfig
from training.recipes.choice import SWITCHES, Tried, choose
from training.recipes.impressions import check_impressions
from training.towers import TwoTower
from training.trainer import SCORE, OnEpoch, fit_repeat_head, train
from training.trainer.click_objective import BIAS_MOVED
from training.trials import Trials
from training.untrained import Fitted, check_recipe, start_trial, start_until
from training.validation_window import ValidationWindow


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
    check_recipe(schema, config)
    check_impressions(None if impressions is None else impressions.columns, config.impressions)
    run = partial(train, seed=seed, device=device)
    # The corpus of the training has the snapshots of `validation_start`, which are joined
    # for every item.
    users, items = at(queries, validation_start), at(item_snapshots, validation_start, week=True)
    chosen = _Chosen(config=config, epochs=config.optimisation.epochs)
    if config.optimisation.patience is not None:

        def start(config: TrainConfig) -> tuple[TwoTower, TrainingSet, ValidationWindow]:
            given = schema, queries, item_snapshots, events, validation_start, cut, config
            trial, data, window = start_trial(*given, seed=seed, released=released, impressions=impressions)
            return trial.model, data, window

        trials = Trials(start, run, on_epoch=on_epoch, folder=checkpoints, clock=clock if choice_seconds else None)
        facts = item_facts(events, items[ITEM_ID], validation_start)[0]
        chosen = _chosen(config, trials, facts, seconds=choice_seconds, seed=seed, clock=clock)
    config = chosen.config
    given = schema, queries, item_snapshots, items, positives, events, impressions, cut, config
    begun = start_until(*given, seed=seed, released=released)
    final, data, answers = begun.towers, begun.data, begun.answers
    found = diagnosed(begun.log, answers, config, seed=seed) if begun.log else None

    def on_refit(epoch: int, metrics: dict[str, float]) -> None:
        parts = {name: value for name, value in metrics.items() if name.startswith(("policy/", BIAS_MOVED))}
        on_epoch(epoch, {"refit": metrics["loss"], **parts})

    refit_file = checkpoints and checkpoints / "refit.safetensors"
    losses = run(data, final.model, config=config, epochs=chosen.epochs, on_epoch=on_refit, checkpoint=refit_file)
    fit_repeat_head(data, final.model, config, seed=seed, device=device)
    if found and answers:
        moved = losses[-1].get(BIAS_MOVED, 0.0)
        found = with_model(found, answers, data, final.model, config, moved, seed=seed)
    set_prior(final.model, final.item_encoder, items, events, cut, weights=chosen.prior)
    examples = [e.encode(frame.head(3)) for e, frame in ((final.user_encoder, users), (final.item_encoder, items))]
    # Without a trial there is no score: nothing was measured.
    epochs = chosen.measured or [{name: value for name, value in each.items() if name != SCORE} for each in losses]
    tried = chosen.tried if choice_seconds else ()
    return replace(
        final, epochs=epochs, passes=chosen.epochs, examples=(examples[0], examples[1]), tried=tried, bias=found
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Chosen:
    """Choice of the trials for the training of everything before the cut."""

    config: TrainConfig
    """Recipe with the switches that were taken."""
    epochs: int
    """Number of epochs."""
    measured: list[dict[str, float]] = field(default_factory=list)
    """Metrics of each epoch of the trial that was taken; empty without a trial."""
    tried: tuple[Tried, ...] = ()
    """What was tried."""
    prior: np.ndarray | None = None
    """Weights of an item prior; None without one."""


def _chosen(
    config: TrainConfig,
    trials: Trials,
    facts_NF: np.ndarray,
    *,
    seconds: float,
    seed: int,
    clock: Callable[[], float],
) -> _Chosen:
    """Run the trials, and choose switches, epochs and prior by them.

    Args:
        config: recipe.
        trials: trains and measures recipes.
        facts_NF: facts of the corpus at the start of the validation window.
        seconds: budget of the choice; 0 for the trial of the recipe alone.
        seed: random seed.
        clock: seconds, which the prior is timed by.
    """
    switches = SWITCHES if seconds else {}
    config, tried = choose(config, trials, items=len(facts_NF), seconds=seconds, switches=switches)
    taken = [each.name for each in tried if each.taken][-1]
    measured = trials.epochs[taken]
    config, prior, tried = with_prior(
        config, tried, trials.ended[taken], facts_NF, choose=bool(switches), seed=seed, clock=clock
    )
    best = 1 + int(np.argmax([epoch[SCORE] for epoch in measured]))
    return _Chosen(config=config, epochs=best, measured=measured, tried=tried, prior=prior)
