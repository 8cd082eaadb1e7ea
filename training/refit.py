"""Refit: the training of a judged version once more, on all data.

Nothing is chosen: recipe, switches and number of epochs are those of the judged version, and so is the base of a warm
start. Its weights are no start: as many epochs again would be more passes than the number that was found.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.schema import Schema
from training.artifacts.load import Released, read_release
from training.artifacts.passes import read_passes
from training.calibration import set_prior
from training.data.interactions import at
from training.data.snapshots import Frame
from training.fit import fit
from training.towers.item_prior import ItemPrior
from training.trainer import OnEpoch
from training.untrained import Fitted


def fit_again(
    judged: Path,
    *,
    schema: Schema,
    queries: Frame,
    item_snapshots: Frame,
    positives: pl.DataFrame,
    events: pl.DataFrame,
    cut: datetime,
    until: datetime,
    seed: int,
    on_epoch: OnEpoch,
    impressions: pl.DataFrame | None = None,
    warm_start: Path | None = None,
    checkpoints: Path | None = None,
    device: str = "cpu",
) -> Fitted:
    """Train the recipe of a judged version on everything before `until`.

    Args:
        judged: folder of the judged version.
        schema: features of users and items.
        queries: joined user snapshots: those of the positives, and every user at the cut.
        item_snapshots: joined item snapshots, likewise, and the whole corpus at the end.
        positives: `interactions` until the end.
        events: canonical events.
        cut: end of the judged version's training part.
        until: end of the data.
        seed: its random seed.
        on_epoch: told the number and the metrics of each epoch.
        impressions: canonical impressions, where the data have them.
        warm_start: folder of the release that its weights started from.
        checkpoints: folder of this training alone.
        device: torch device.

    Returns:
        The towers with their encoders, and the recipe as it was judged.
    """
    released = read_release(judged)
    fixed = replace(released.config.optimisation, epochs=read_passes(judged), patience=None)
    fitted = fit(
        schema=schema,
        queries=queries,
        item_snapshots=item_snapshots,
        positives=positives,
        events=events,
        validation_start=cut,
        cut=until,
        config=replace(released.config, optimisation=fixed),
        seed=seed,
        on_epoch=on_epoch,
        impressions=impressions,
        warm_start=warm_start,
        checkpoints=checkpoints,
        device=device,
    )
    _keep_prior(released, fitted, item_snapshots, events, until)
    return replace(fitted, config=released.config)


def _keep_prior(
    released: Released, fitted: Fitted, item_snapshots: Frame, events: pl.DataFrame, until: datetime
) -> None:
    """Set the item prior, if there is one, with the weights of the judged version.

    They were learned on the validation window, which the towers of this training know too well.

    Args:
        released: the judged version.
        fitted: its training once more, changed in place.
        item_snapshots: joined item snapshots.
        events: canonical events.
        until: end of the data.
    """
    prior = released.model.item.prior
    if isinstance(prior, ItemPrior):
        weights = prior.get_buffer("weight_F").numpy()
        corpus = at(item_snapshots, until, week=True)
        set_prior(fitted.model, fitted.item_encoder, corpus, events, until, weights=weights)
